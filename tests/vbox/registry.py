"""The registered machines: one folder each, so that several Vagrant processes get along.

A record is replaced at once, so it is read without a lock. What changes a machine holds the lock
in its folder from the reading to the writing; what concerns names holds the home's.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.vbox.errors import IN_USE, NOT_FOUND, Refused
from tests.vbox.home import Home, locked, write
from tests.vbox.machine import DISK, Machine


class Registry:
    """The machines of a home."""

    def __init__(self, home: Home) -> None:
        self.home = home

    def folder(self, machine: Machine) -> Path:
        """Where the machine's files are."""
        return self.home.machines / machine.uuid

    def disk(self, machine: Machine) -> Path:
        """The machine's disk."""
        return self.folder(machine) / DISK

    def all(self) -> list[Machine]:
        """All machines, the oldest first. One that is being removed may be missing."""
        found = []
        for file in self.home.machines.glob("*/machine.json"):
            try:
                found.append((file.parent.stat().st_ctime_ns, file.read_text("utf-8")))
            except FileNotFoundError:
                continue
        return [Machine.read(json.loads(text)) for _, text in sorted(found)]

    def find(self, key: str) -> Machine:
        """The machine of a UUID (with or without braces) or a name."""
        bare = key.strip("{}").lower()
        file = self.home.machines / bare / "machine.json"
        try:
            if bare and "/" not in bare:
                return Machine.read(json.loads(file.read_text("utf-8")))
        except FileNotFoundError:
            pass
        for machine in self.all():
            if machine.name == key:
                return machine
        raise Refused(f"Could not find a registered machine named '{key}'", NOT_FOUND)

    @contextmanager
    def changing(self, key: str) -> Iterator[Machine]:
        """A machine to be changed, written back if the block ends well."""
        with self.holding(key) as machine:
            yield machine
            self.save(machine)

    @contextmanager
    def holding(self, key: str) -> Iterator[Machine]:
        """A machine that no other process changes meanwhile."""
        identity = self.find(key).uuid
        try:
            with locked(self.home.machines / identity / "lock"):
                # It may have been changed, or removed, while this process waited.
                yield self.find(identity)
        except FileNotFoundError as gone:
            if (self.home.machines / identity).exists():
                raise
            raise Refused(f"Could not find a registered machine named '{key}'", NOT_FOUND) from gone

    def save(self, machine: Machine) -> None:
        """Write a machine's record."""
        write(self.folder(machine) / "machine.json", json.dumps(machine.stored(), indent=1))

    def draft(self, machine: Machine) -> Path:
        """A folder to make a new machine's disk in, before `add`."""
        folder = self.home.unfinished / machine.uuid
        folder.mkdir()
        return folder

    def add(self, machine: Machine, folder: Path) -> None:
        """Register a machine that was made in the folder `draft` returned."""
        text = json.dumps(machine.stored(), indent=1)
        (folder / "machine.json").write_text(text, encoding="utf-8")
        (folder / "lock").touch()
        with self.home.locked():
            self.require_free(machine.name, machine.uuid)
            folder.rename(self.folder(machine))

    def require_free(self, name: str, but: str = "") -> None:
        """Refuse a name that a machine other than the one with the UUID `but` has."""
        if any(other.name == name and other.uuid != but for other in self.all()):
            raise Refused(
                f"Machine settings file for '{name}' already exists (VERR_ALREADY_EXISTS)",
                "VBOX_E_FILE_ERROR (0x80bb0004)",
            )

    def clones(self, machine: Machine) -> list[Machine]:
        """The linked clones of a machine."""
        return [other for other in self.all() if other.base == machine.uuid]

    def require_no_clones(self, machine: Machine) -> None:
        """Refuse to change a disk that others are overlays on."""
        count = len(self.clones(machine))
        if count:
            raise Refused(
                f"Cannot close medium '{self.disk(machine)}' because it has {count} child media",
                IN_USE,
            )

    def remove(self, machine: Machine) -> None:
        """Forget a machine and delete its files."""
        import shutil  # slow to load, and most calls remove nothing

        doomed = self.home.unfinished / f"{machine.uuid}.gone"
        self.folder(machine).rename(doomed)
        shutil.rmtree(doomed)
