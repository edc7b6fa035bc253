"""Records which Vagrant processes work on a lab's machines, including those of a killed labctl.

When labctl is killed, its Vagrant process continues and the machine comes up. However, every
Vagrant command locks the machine for a moment, even one that only reads its state. The running
process treats that as a failure, aborts and shuts the machine down (WaitForCommunicator reads the
state every second and raises MachineLocked). Therefore labctl records the running processes, and
the next run waits for them before it calls Vagrant.
"""

from __future__ import annotations

import contextlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path

from labctl.errors import MachineError, StateError
from labctl.messages import msg
from labctl.storage import build, read_json, write


@dataclass(frozen=True, slots=True)
class Work:
    """A running Vagrant process.

    Parameters:
        node: the machine.
        command: what it runs, such as "up".
        pid: its process id.
        created: its start time in seconds since 1970, which tells it from a later process with the
            same id.
    """

    node: str
    command: str
    pid: int
    created: float

    def goes_on(self) -> bool:
        """Return whether its process is still running."""
        import psutil

        try:
            process = psutil.Process(self.pid)
            return (
                abs(process.create_time() - self.created) < 1
                and process.status() != psutil.STATUS_ZOMBIE
            )
        except psutil.Error:
            return False


class Journal:
    """The record of running Vagrant processes, one file for each machine.

    Parameters:
        folder: holds the files; created with the first one.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._own: set[str] = set()

    def begun(self, node: str, command: str, pid: int) -> None:
        """Record a process that this labctl started; a full disk is ignored."""
        import psutil

        try:
            created = psutil.Process(pid).create_time()
        except psutil.Error:
            return  # it has ended already
        self._own.add(node)
        text = json.dumps(asdict(Work(node, command, pid, created)))
        with contextlib.suppress(OSError, StateError):
            self._folder.mkdir(mode=0o700, exist_ok=True)
            write(self._note(node), text + "\n")

    def ended(self, node: str) -> None:
        """Remove the record of a process that this labctl started."""
        if node not in self._own:
            return
        self._own.discard(node)
        with contextlib.suppress(OSError):
            self._note(node).unlink()

    def left(self) -> list[Work]:
        """Return processes that another labctl left running; remove the records of ended ones."""
        found = []
        for note in sorted(self._folder.glob("*.json")):
            if note.stem in self._own:
                continue
            try:
                work = build(Work, read_json(note))
            except (OSError, ValueError):
                work = None
            if work is not None and work.goes_on():
                found.append(work)
            else:
                with contextlib.suppress(OSError):
                    note.unlink()
        return found

    def _note(self, node: str) -> Path:
        return self._folder / f"{node}.json"


def still_running(work: Work) -> MachineError:
    """Return the error for a process that an earlier labctl left and that has not ended in time."""
    return MachineError(
        msg(
            "`vagrant {command}`, which an earlier labctl left running, has not ended",
            command=work.command,
        ),
        node=work.node,
        hint=msg("wait for it, or end process {pid}", pid=work.pid),
    )
