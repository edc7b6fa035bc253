"""Results of a node's tests, as values that can be sent between processes and written to files."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from labctl.events import CheckOutcome
from labctl.messages import msg


@dataclass(frozen=True, slots=True)
class CommandRun:
    """A command that a test ran on a node.

    Parameters:
        node: the node's name.
        phase: the phase of the test: ``setup``, ``call`` or ``teardown``.
        command: the command line.
        root: True if it ran as root, False if as the login user.
        exit_code: None if the command did not end.
        out: the end of its stdout.
        err: the end of its stderr.
        seconds: how long it took.
    """

    node: str
    phase: str
    command: str
    root: bool
    exit_code: int | None
    out: str
    err: str
    seconds: float

    def redacted(self, hide: Callable[[str], str]) -> CommandRun:
        """Return a copy with `hide` applied to the command and its output."""
        command, out, err = hide(self.command), hide(self.out), hide(self.err)
        return replace(self, command=command, out=out, err=err)


@dataclass(frozen=True, slots=True)
class Check:
    """One check of a playbook, or one exercise of a rehearsal, that ended.

    Parameters:
        section: the playbook whose verify.py holds it, or the section of the course.
        name: the test function's name, with its parameters if it has any. Empty if it stands for a
            whole file.
        title: the first line of its docstring, or its name in words.
        outcome: how it ended.
        message: why it failed or was skipped, in plain words.
        seconds: how long it took, including setup and teardown.
        started: when it began, in seconds since 1970.
        commands: the commands it ran, if it failed.
        wrong: what is wrong on the node, if it failed. Checks that one cause breaks have one text.
        because: why, if that is known.
        fix: the command that repairs it, if there is one.
        details: pytest's words, if it failed.
    """

    section: str
    name: str
    title: str
    outcome: CheckOutcome
    message: str
    seconds: float
    started: float = 0.0
    commands: tuple[CommandRun, ...] = ()
    wrong: str = ""
    because: str = ""
    fix: str = ""
    details: str = ""

    @property
    def explanation(self) -> str:
        """The problem and its reason, on one line."""
        wrong = self.wrong or msg(
            "{section}: {title}: {outcome}",
            section=self.section,
            title=self.title,
            outcome=self.outcome.words,
        )
        return msg("{what}: {why}", what=wrong, why=self.because) if self.because else wrong

    @property
    def relevant_commands(self) -> tuple[CommandRun, ...]:
        """The commands that explain a failure.

        Setup and teardown run many commands, so only their failing ones are included, unless the
        check itself could not run.
        """
        if self.outcome is CheckOutcome.ERROR:
            return self.commands
        return tuple(ran for ran in self.commands if ran.phase == "call" or ran.exit_code != 0)

    def as_json(self) -> dict[str, Any]:
        """Return the check as plain values, with the field names of `labctl.events.CheckEnded`."""
        return asdict(self) | {
            "seconds": round(self.seconds, 3),
            "started": round(self.started, 3),
            "commands": [asdict(ran) for ran in self.commands],
        }


@dataclass(frozen=True, slots=True)
class NodeReport:
    """All checks of one node, and the versions they recorded.

    Parameters:
        node: the node's name.
        checks: in the order in which they ended.
        versions: what the checks recorded with pytest's `record_property`: ``engine``, ``compose``.
    """

    node: str
    checks: tuple[Check, ...]
    versions: dict[str, str] = field(default_factory=dict)

    @property
    def failed(self) -> tuple[Check, ...]:
        """The checks that failed or could not run."""
        return tuple(check for check in self.checks if check.outcome.bad)

    @property
    def passed(self) -> tuple[Check, ...]:
        """The checks that passed."""
        return self.of(CheckOutcome.PASSED)

    @property
    def skipped(self) -> tuple[Check, ...]:
        """The checks that do not apply to this lab."""
        return self.of(CheckOutcome.SKIPPED)

    def of(self, outcome: CheckOutcome) -> tuple[Check, ...]:
        """Return the checks with this outcome."""
        return tuple(check for check in self.checks if check.outcome is outcome)

    def as_json(self) -> dict[str, Any]:
        """Return the report as plain values."""
        return {
            "node": self.node,
            "versions": self.versions,
            "checks": [check.as_json() for check in self.checks],
        }
