"""The labs of this machine: where they are, so that two do not clash and none is forgotten.

A lab is noted when it is brought up, in the user's own state folder, and struck out when its last
machine is destroyed. The note says only what the next lab must stay clear of, and where to look.
"""

from __future__ import annotations

import contextlib
import ipaddress
import json
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from labctl.errors import StateError, UsageError
from labctl.locking import exclusive
from labctl.state import write

POOL = tuple(f"192.168.{third}.0/24" for third in range(56, 64))
"""Networks that a lab without one may get: those that VirtualBox allows without being told."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A lab that was brought up on this machine.

    Parameters:
        folder: its folder, absolute.
        state: its state folder, absolute.
        name: its name, which its virtual machines carry.
        network: its private network.
        nodes: names of its nodes.
    """

    folder: str
    state: str
    name: str
    network: str
    nodes: tuple[str, ...]

    @property
    def gone(self) -> bool:
        """Whether its folder is not there any more; its machines may still run."""
        return not Path(self.state).is_dir()


class Registry:
    """The notes, in one file.

    Parameters:
        path: the file; default: labs.json in the user's state folder, or below LABCTL_HOME.
    """

    def __init__(self, path: Path | None = None) -> None:
        self.path = path or _default()

    def entries(self) -> list[Entry]:
        """Return all labs that were noted and not struck out, in the order of their folders."""
        try:
            data = json.loads(self.path.read_text("utf-8"))
            entries = [Entry(**{**item, "nodes": tuple(item["nodes"])}) for item in data]
        except (OSError, ValueError, TypeError, KeyError):
            return []
        return sorted(entries, key=lambda entry: entry.folder)

    def others(self, state: Path) -> list[Entry]:
        """Return all labs but the one with this state folder."""
        return [entry for entry in self.entries() if entry.state != str(state)]

    def note(self, entry: Entry) -> None:
        """Note a lab, in place of what was noted of it before."""
        with self._exclusive():
            self._write([*self.others(Path(entry.state)), entry])

    def strike(self, state: Path) -> None:
        """Strike a lab out, for it has no machines any more."""
        if self.others(state) != self.entries():
            with self._exclusive():
                self._write(self.others(state))

    @contextlib.contextmanager
    def _exclusive(self) -> Iterator[None]:
        """Keep other labctls from changing the notes meanwhile."""
        try:
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise StateError(
                f"{self.path.parent} cannot be made: {error.strerror}",
                hint="give write access, or name another folder by LABCTL_HOME",
            ) from error
        with exclusive(self.path.with_suffix(".lock"), timeout=10):
            yield

    def _write(self, entries: list[Entry]) -> None:
        text = json.dumps([asdict(entry) for entry in entries], indent=2)
        write(self.path, text + "\n")


def _default() -> Path:
    chosen = os.environ.get("LABCTL_HOME")
    if chosen:
        return Path(chosen).expanduser() / "labs.json"
    from platformdirs import user_state_path

    return user_state_path("labctl", appauthor=False) / "labs.json"


def free_network(others: list[Entry]) -> str:
    """Return a network that no other lab has.

    Raises:
        UsageError: all that may be given out are taken.
    """
    for network in POOL:
        if not clash(network, others):
            return network
    raise UsageError(
        "every network from 192.168.56.0/24 to 192.168.63.0/24 belongs to a lab of this machine",
        hint="`labctl status --all` lists them; destroy one, or set 'network' in lab.yaml",
    )


def free_name(name: str, others: list[Entry]) -> str:
    """Return `name`, or the first of name-2, name-3 … that no other lab has."""
    taken = {entry.name for entry in others}
    candidates = (name, *(f"{name}-{number}" for number in range(2, len(taken) + 3)))
    return next(candidate for candidate in candidates if candidate not in taken)


def clash(network: str, others: list[Entry]) -> Entry | None:
    """Return the lab whose network overlaps with this one, or None."""
    mine = ipaddress.ip_network(network)
    for entry in others:
        try:
            if mine.overlaps(ipaddress.ip_network(entry.network)):
                return entry
        except ValueError:
            continue
    return None
