"""The index of the labs on this computer, which prevents clashes and finds forgotten labs.

`up` adds a lab to the index in the user's state folder; destroying its last machine removes it. An
entry holds only what other labs must avoid and where to find the lab.
"""

from __future__ import annotations

import contextlib
import ipaddress
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from labctl.errors import StateError, UsageError
from labctl.lab import user_folder
from labctl.messages import msg
from labctl.storage import exclusive, keep_aside, read_json, write

_PATIENCE = 10.0
"""Seconds to wait for another labctl that writes the index; a write takes milliseconds."""

POOL = tuple(f"192.168.{third}.0/24" for third in range(56, 64))
"""Networks for labs that name none: VirtualBox allows these without configuration."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A lab that was brought up on this computer.

    Parameters:
        folder: its folder, absolute.
        state: its state folder, absolute.
        name: its name, which is part of its virtual machines' names.
        network: its private network; empty for a lab of existing machines.
        nodes: names of its nodes.
        spec: the file that it was opened with, absolute, because `-C` may name another file than
            lab.yaml. Empty if it has none or was added by an older labctl.
        ports: ports of this computer that lead to its machines.
        further: further private networks of its nodes.
    """

    folder: str
    state: str
    name: str
    network: str
    nodes: tuple[str, ...]
    spec: str = ""
    ports: tuple[int, ...] = ()
    further: tuple[str, ...] = ()

    @property
    def networks(self) -> tuple[str, ...]:
        """All private networks that its machines use."""
        return (*((self.network,) if self.network else ()), *self.further)

    @property
    def gone(self) -> bool:
        """True if its folder no longer exists; its machines may still run."""
        return not Path(self.state).is_dir()


@dataclass(frozen=True, slots=True)
class Clash:
    """Two networks that overlap.

    Parameters:
        network: of the lab that asks.
        theirs: the other lab's.
        lab: the other lab.
    """

    network: str
    theirs: str
    lab: Entry


class LabIndex:
    """The index, one file.

    Parameters:
        path: the file; default: labs.json in the user's state folder or in LABCTL_HOME.
    """

    def __init__(self, path: Path | None = None) -> None:
        self.path = path or user_folder.user_folder() / "labs.json"

    def entries(self) -> list[Entry]:
        """Return all labs in the index, sorted by folder.

        An unreadable entry, for example of another version of labctl, is skipped.

        Raises:
            StateError: the index is a link, belongs to another user, or cannot be read.
        """
        try:
            data = read_json(self.path)
        except (FileNotFoundError, ValueError):
            return []
        entries = [_entry(item) for item in data] if isinstance(data, list) else []
        return sorted((entry for entry in entries if entry), key=lambda entry: entry.folder)

    def others(self, state: Path) -> list[Entry]:
        """Return all labs except the one with this state folder."""
        return [entry for entry in self.entries() if entry.state != str(state)]

    def claim(self, entry: Entry) -> Clash | None:
        """Add or replace a lab, unless another lab uses one of its networks.

        Returns:
            The clash with another lab; None: there is none. If the other lab's folder is gone, this
            lab is added anyway.
        """
        with self._exclusive():
            others = self.others(Path(entry.state))
            there = [other for other in others if not other.gone]
            found = clash(entry.networks, there) or clash(entry.networks, others)
            if found is None or found.lab.gone:
                self._write([*others, entry])
            return found

    def note(self, entry: Entry) -> None:
        """Add or replace a lab."""
        with self._exclusive():
            self._write([*self.others(Path(entry.state)), entry])

    def strike(self, state: Path) -> None:
        """Remove a lab, because it has no machines any more."""
        if self.others(state) != self.entries():
            with self._exclusive():
                self._write(self.others(state))

    def prune(self) -> list[Entry]:
        """Remove the labs whose folders are gone, and return them."""
        gone = [entry for entry in self.entries() if entry.gone]
        if gone:
            with self._exclusive():
                self._write([entry for entry in self.entries() if not entry.gone])
        return gone

    @contextlib.contextmanager
    def _exclusive(self) -> Iterator[None]:
        """Lock the index against other labctl processes."""
        user_folder.make(self.path.parent)
        lock = self.path.with_suffix(".lock")
        with contextlib.ExitStack() as held:
            try:
                held.enter_context(exclusive(lock, timeout=_PATIENCE))
            except TimeoutError:
                raise StateError(
                    msg("another labctl keeps {path} locked", path=self.path),
                    hint=msg("end that process; it holds {lock}", lock=lock),
                ) from None
            yield

    def _write(self, entries: list[Entry]) -> None:
        """Replace the index. A damaged one is kept beside it, because it names other labs."""
        with contextlib.suppress(FileNotFoundError):
            try:
                read_json(self.path)
            except ValueError:
                keep_aside(self.path)
        text = json.dumps([asdict(entry) for entry in entries], indent=2)
        write(self.path, text + "\n")


def _entry(item: object) -> Entry | None:
    """Return an entry from its JSON value, None if it is malformed; unknown keys are ignored."""
    if not isinstance(item, dict):
        return None
    folder, state, name, network = (item.get(k) for k in ("folder", "state", "name", "network"))
    nodes, spec = item.get("nodes"), item.get("spec", "")
    if not all(isinstance(text, str) for text in (folder, state, name, network)):
        return None
    if not isinstance(nodes, list) or not isinstance(spec, str):
        return None
    ports, further = (
        value if isinstance(value := item.get(key), list) else [] for key in ("ports", "further")
    )
    return Entry(
        str(folder),
        str(state),
        str(name),
        str(network),
        tuple(map(str, nodes)),
        spec,
        tuple(port for port in ports if isinstance(port, int)),
        tuple(network for network in further if isinstance(network, str)),
    )


def free_network(others: list[Entry], further: Sequence[str] = ()) -> str:
    """Return a network that no other lab uses, or else that of a lab whose folder is gone.

    Parameters:
        others: the other labs.
        further: further private networks of the lab itself.

    Raises:
        UsageError: all networks of the pool are in use.
    """
    for avoided in (others, [entry for entry in others if not entry.gone]):
        for network in POOL:
            if not clash((network,), avoided) and not _overlapping(network, further):
                return network
    raise UsageError(
        "every network from 192.168.56.0/24 to 192.168.63.0/24 belongs to a lab of this computer",
        hint="`labctl status --all` lists them; destroy one, or set 'network' in lab.yaml",
    )


def free_name(name: str, others: list[Entry]) -> str:
    """Return `name`, or the first of name-2, name-3 … that no other lab's machines use."""
    taken = {entry.name for entry in others if entry.network}
    candidates = (name, *(f"{name}-{number}" for number in range(2, len(taken) + 3)))
    return next(candidate for candidate in candidates if candidate not in taken)


def clash(networks: Iterable[str], others: list[Entry]) -> Clash | None:
    """Return the first of a lab's networks that another lab uses, or None."""
    for network in networks:
        for entry in others:
            if theirs := _overlapping(network, entry.networks):
                return Clash(network, theirs, entry)
    return None


def _overlapping(network: str, others: Iterable[str]) -> str:
    """Return the first of `others` that overlaps a network; empty if none does."""
    mine = ipaddress.ip_network(network)
    for other in others:
        with contextlib.suppress(ValueError):
            if mine.overlaps(ipaddress.ip_network(other)):
                return other
    return ""
