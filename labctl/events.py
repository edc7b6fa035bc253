"""The events of a run, as values.

The core emits events and prints nothing. The live table, plain lines, JSON lines and the tests all
read the same stream. Each event names its node; an empty name means the whole lab.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from labctl.messages import msg


class Phase(StrEnum):
    """The phases of a node, in their order."""

    WAITING = "waiting"
    BOOTING = "booting"
    RESTARTING = "restarting"
    RESUMING = "resuming"
    HALTING = "shutting down"
    SUSPENDING = "suspending"
    SAVING = "saving the checkpoint"
    RESTORING = "restoring the checkpoint"
    DELETING = "deleting the checkpoint"
    SYNCING = "syncing folders"
    PULLING = "pulling images"
    COPYING = "copying the disk"
    SEALING = "sealing the copy"
    PACKING = "packing the box"
    ADDING = "adding the box to Vagrant"
    DESTROYING = "removing"
    CONNECTING = "connecting"
    PROVISIONING = "provisioning"
    VERIFYING = "verifying"
    REHEARSING = "rehearsing"
    DONE = "done"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class PhaseEntered:
    """A node entered a phase. `note` is a short text for people, such as why it failed."""

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
    """One round trip with a node ran `snippets` scripts and returned their results."""

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


class CheckOutcome(StrEnum):
    """How a check, or an exercise of a rehearsal, ended."""

    PASSED = "passed"
    FAILED = "failed"
    ERROR = "error"
    SKIPPED = "skipped"

    @property
    def words(self) -> str:
        """The outcome in words for people."""
        return _OUTCOME_WORDS[self]

    @property
    def bad(self) -> bool:
        """True if somebody has to act on it."""
        return self in (CheckOutcome.FAILED, CheckOutcome.ERROR)


_OUTCOME_WORDS = {
    CheckOutcome.PASSED: msg("passed"),
    CheckOutcome.FAILED: msg("failed"),
    CheckOutcome.ERROR: msg("could not run"),
    CheckOutcome.SKIPPED: msg("not applicable"),
}


@dataclass(frozen=True, slots=True)
class CheckStarted:
    """A check, or an exercise of a rehearsal, began on a node.

    Parameters:
        node: the node's name.
        phase: `Phase.VERIFYING` for a check, `Phase.REHEARSING` for an exercise.
        section: the playbook of a check, or the section of the course.
        name: the name of the test function.
        title: what it proves, in words.
        index: its number among those of the node, from 1.
        total: how many checks the node has.
        left: seconds that this one and those after it will take, as measured in earlier runs; None
            if there were none.
    """

    node: str
    phase: Phase
    section: str
    name: str
    title: str
    index: int
    total: int
    left: float | None = None


@dataclass(frozen=True, slots=True)
class CheckEnded:
    """A check, or an exercise of a rehearsal, ended and has cleaned up.

    Parameters:
        node, phase, section, name, title, index, total: as in `CheckStarted`.
        outcome: how it ended; a skipped one does not apply to this lab.
        message: why it failed or was skipped, in plain words.
        seconds: how long it took.
        started: when it began, in seconds since 1970.
        wrong: what is wrong on the node, if it failed.
        because: why, if that is known.
        fix: the command that repairs it, if there is one.
        details: pytest's words, if it failed.
    """

    node: str
    phase: Phase
    section: str
    name: str
    title: str
    index: int
    total: int
    outcome: CheckOutcome
    message: str
    seconds: float
    started: float
    wrong: str = ""
    because: str = ""
    fix: str = ""
    details: str = ""


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
    | CheckStarted
    | CheckEnded
    | Notice
)

Emit = Callable[[Event], None]
"""Takes one event. Several threads may call it at once."""
