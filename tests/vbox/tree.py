"""The tree of a machine's snapshots."""

from __future__ import annotations

from collections.abc import Iterator

from tests.vbox.errors import NOT_FOUND, Refused
from tests.vbox.machine import Machine, Snapshot


def find(machine: Machine, key: str) -> Snapshot:
    """A snapshot by UUID or name; of one name the last that was taken."""
    for candidate in reversed(machine.snapshots):
        if key and key in (candidate.uuid, candidate.name):
            return candidate
    raise Refused(f"Could not find a snapshot named '{key}'", NOT_FOUND)


def listing(machine: Machine) -> Iterator[str]:
    """The tree for programs: a snapshot's number is its parent's and its own place in it."""

    def below(parent: str, node: str) -> Iterator[str]:
        children = [entry for entry in machine.snapshots if entry.parent == parent]
        for number, entry in enumerate(children, 1):
            # The root has no number; there is only one.
            suffix = f"{node}-{number}" if parent else ""
            yield f'SnapshotName{suffix}="{entry.name}"'
            yield f'SnapshotUUID{suffix}="{entry.uuid}"'
            if entry.description:
                yield f'SnapshotDescription{suffix}="{entry.description}"'
            if entry.uuid == machine.current:
                current.extend((entry.name, entry.uuid, f"SnapshotName{suffix}"))
            yield from below(entry.uuid, suffix)

    current: list[str] = []
    yield from below("", "")
    for key, value in zip(("Name", "UUID", "Node"), current, strict=False):
        yield f'CurrentSnapshot{key}="{value}"'
