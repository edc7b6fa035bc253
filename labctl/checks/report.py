"""What the tests of a node said, as values that travel between processes and into files."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any


@dataclass(frozen=True, slots=True)
class CommandRun:
    """A command that a test ran on a node.

    Parameters:
        node: where.
        phase: of the test: ``setup``, ``call`` or ``teardown``.
        command: the command line.
        root: it ran as root, not as the login user.
        exit_code: None where it did not end.
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

    def hidden(self, hide: Callable[[str], str]) -> CommandRun:
        """Return it with all its texts gone through `hide`."""
        command, out, err = hide(self.command), hide(self.out), hide(self.err)
        return replace(self, command=command, out=out, err=err)


@dataclass(frozen=True, slots=True)
class Check:
    """One check or one exercise that ran.

    Parameters:
        section: where it belongs: the playbook whose verify.py it stands in, or the section of the
            course.
        name: the test function's name, with its parameters if it has any; empty where it stands
            for a whole file.
        title: what it proves, from its docstring's first line, or its name in words.
        outcome: ``passed``, ``failed``, ``skipped`` or ``error`` (it could not be run).
        message: what was expected and what was seen, or why it was skipped.
        seconds: how long it took, with making ready and cleaning up.
        started: when it began, in seconds since 1970.
        commands: what an exercise that did not pass ran.
    """

    section: str
    name: str
    title: str
    outcome: str
    message: str
    seconds: float
    started: float = 0.0
    commands: tuple[CommandRun, ...] = ()

    @property
    def telling(self) -> tuple[CommandRun, ...]:
        """Of the commands, those that a reader of its failure wants to see first.

        Making ready and cleaning up run a lot of them; they tell something where they failed.
        """
        if self.outcome == "error":
            return self.commands
        return tuple(ran for ran in self.commands if ran.phase == "call" or ran.exit_code != 0)


@dataclass(frozen=True, slots=True)
class NodeReport:
    """All checks of one node, and what they recorded of it.

    Parameters:
        versions: what the checks recorded with pytest's `record_property`: ``engine``, ``compose``.
    """

    node: str
    checks: tuple[Check, ...]
    versions: dict[str, str] = field(default_factory=dict)

    @property
    def failed(self) -> tuple[Check, ...]:
        """The checks that did not pass: those that failed, and those that could not be run."""
        return tuple(check for check in self.checks if check.outcome in ("failed", "error"))

    @property
    def passed(self) -> tuple[Check, ...]:
        """The checks that passed."""
        return tuple(check for check in self.checks if check.outcome == "passed")

    def as_json(self) -> dict[str, Any]:
        """Return the report as plain values."""
        return {
            "node": self.node,
            "versions": self.versions,
            "checks": [
                {
                    "playbook": check.section,
                    "check": check.name,
                    "title": check.title,
                    "outcome": check.outcome,
                    "message": check.message,
                    "seconds": round(check.seconds, 3),
                }
                for check in self.checks
            ],
        }
