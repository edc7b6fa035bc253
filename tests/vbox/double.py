"""The context of every verb."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from tests.vbox.errors import INVALID_STATE, Refused
from tests.vbox.home import Home
from tests.vbox.machine import Machine
from tests.vbox.registry import Registry
from tests.vbox.state import RUNNING, state


def _print(text: str) -> None:
    sys.stdout.write(text + "\n")


@dataclass
class Double:
    """The home, its machines, and where to print."""

    home: Home
    say: Callable[[str], None] = _print
    registry: Registry = field(init=False)

    def __post_init__(self) -> None:
        self.registry = Registry(self.home)

    def folder(self, machine: Machine) -> Path:
        """Where the machine's files are."""
        return self.registry.folder(machine)

    def disk(self, machine: Machine) -> Path:
        """The machine's disk."""
        return self.registry.disk(machine)

    def state(self, machine: Machine) -> str:
        """The machine's state, in VirtualBox's words."""
        return state(machine, self.folder(machine))

    def require_off(self, machine: Machine) -> None:
        """Refuse to touch a machine that runs, as VirtualBox does with one that is locked."""
        if self.state(machine) in RUNNING:
            raise Refused(
                f"The machine '{machine.name}' is already locked for a session (or being unlocked)",
                INVALID_STATE,
            )

    def require_running(self, machine: Machine) -> None:
        """Refuse what only a running machine can do."""
        if self.state(machine) not in RUNNING:
            raise Refused(f"Machine '{machine.name}' is not currently running.", INVALID_STATE)


Verb = Callable[[Double, list[str]], None]
