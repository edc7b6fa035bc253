"""Which Vagrants are at work on a lab's machines, also those that outlived their labctl.

A labctl that is killed leaves its Vagrant at work, which is well: the machine comes up. But whoever
asks Vagrant anything about that machine meanwhile, were it only its state, holds it locked for a
moment, and the Vagrant at work takes that for a failure, breaks off, and shuts the machine down
(its WaitForCommunicator asks for the state each second, and raises MachineLocked). So it is noted
which processes are at work, and the next labctl waits for them to end before it asks anything.
"""

from __future__ import annotations

import contextlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path

from labctl.errors import StateError
from labctl.storage import write


@dataclass(frozen=True, slots=True)
class Work:
    """A Vagrant at work.

    Parameters:
        node: the machine.
        command: Vagrant's word for what it does, such as "up".
        pid: of its process.
        created: when the process began, in seconds since 1970, as the system tells; another process
            of the same number began at another time.
    """

    node: str
    command: str
    pid: int
    created: float

    def goes_on(self) -> bool:
        """Tell whether its process has not ended yet."""
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
    """Notes of the Vagrants at work, a file for each machine.

    Parameters:
        folder: where the notes are; it is made with the first one.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._own: set[str] = set()

    def begun(self, node: str, command: str, pid: int) -> None:
        """Note a process that this labctl started; as well as it can be, as on a full disk."""
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
        """Strike the note of a process that this labctl noted and saw end."""
        if node not in self._own:
            return
        self._own.discard(node)
        with contextlib.suppress(OSError):
            self._note(node).unlink()

    def left(self) -> list[Work]:
        """Return the Vagrants that another labctl left at work; strike those that have ended."""
        found = []
        for note in sorted(self._folder.glob("*.json")):
            if note.stem in self._own:
                continue
            try:
                work = Work(**json.loads(note.read_text("utf-8")))
            except (OSError, TypeError, ValueError):
                work = None
            if work is not None and work.goes_on():
                found.append(work)
            else:
                with contextlib.suppress(OSError):
                    note.unlink()
        return found

    def _note(self, node: str) -> Path:
        return self._folder / f"{node}.json"
