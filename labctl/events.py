"""What happens during a run, as values.

The core emits events and prints nothing. The live table, plain lines, JSON lines and the tests all
read the same stream. Each event names its node; an empty name means the whole lab.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum


class Phase(StrEnum):
    """The phases of a node, in their order."""

    WAITING = "waiting"
    BOOTING = "booting"
    CONNECTING = "connecting"
    PROVISIONING = "provisioning"
    VERIFYING = "verifying"
    REHEARSING = "rehearsing"
    DONE = "done"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class PhaseEntered:
    """A node entered a phase. `note` adds a few words for people, such as why it failed."""

    node: str
    phase: Phase
    note: str = ""


@dataclass(frozen=True, slots=True)
class MachineOutput:
    """One line that Vagrant printed about a node, without its prefix."""

    node: str
    line: str


@dataclass(frozen=True, slots=True)
class Exchanged:
    """One round trip with a node: `snippets` scripts went out, their results came back."""

    node: str
    snippets: int
    seconds: float


@dataclass(frozen=True, slots=True)
class ChangeStarted:
    """A resource has drifted and its change starts (with `check`: would start)."""

    node: str
    playbook: str
    resource: str
    summary: str
    diff: str
    check: bool


@dataclass(frozen=True, slots=True)
class ChangeDone:
    """A change ran, and a probe confirmed the wanted state."""

    node: str
    playbook: str
    resource: str
    summary: str
    seconds: float


@dataclass(frozen=True, slots=True)
class Decided:
    """Something was measured on a node and stored, such as which mirrors respond."""

    node: str
    key: str
    answer: str


@dataclass(frozen=True, slots=True)
class Checked:
    """A check of a playbook's verify.py ended. `outcome` is passed, failed, skipped or error."""

    node: str
    playbook: str
    check: str
    outcome: str
    message: str
    seconds: float


@dataclass(frozen=True, slots=True)
class ExerciseStarted:
    """An exercise of a rehearsal began on a node."""

    node: str
    section: str
    exercise: str
    title: str


@dataclass(frozen=True, slots=True)
class ExerciseEnded:
    """An exercise of a rehearsal ended, cleaned up after.

    `outcome` is passed, failed, error, or skipped, which means: not applicable, for the reason that
    `message` gives. `started` is in seconds since 1970.
    """

    node: str
    section: str
    exercise: str
    title: str
    outcome: str
    message: str
    seconds: float
    started: float


@dataclass(frozen=True, slots=True)
class Notice:
    """Something that the user should know; the run continues."""

    node: str
    message: str


Event = (
    PhaseEntered
    | MachineOutput
    | Exchanged
    | ChangeStarted
    | ChangeDone
    | Decided
    | Checked
    | ExerciseStarted
    | ExerciseEnded
    | Notice
)

Emit = Callable[[Event], None]
"""Takes one event; must be callable from several threads at once."""
