"""What the tests of a node said, as values that travel between processes and into files."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

_JUNIT = {"failed": "failure", "error": "error", "skipped": "skipped"}


@dataclass(frozen=True, slots=True)
class Ran:
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

    def hidden(self, hide: Callable[[str], str]) -> Ran:
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
    commands: tuple[Ran, ...] = ()

    @property
    def telling(self) -> tuple[Ran, ...]:
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


def junit(reports: Sequence[NodeReport], lost: Mapping[str, str] | None = None) -> str:
    """Return the reports as JUnit XML: a suite for each node, as CI systems read it.

    Parameters:
        reports: of the nodes that were reached.
        lost: why the others were not, by their names; each has one test, which could not be run.
    """
    from xml.etree import ElementTree

    reports = [
        *reports,
        *(
            NodeReport(node, (Check("labctl", "reached", "", "error", why, 0.0),), {})
            for node, why in (lost or {}).items()
        ),
    ]
    root = ElementTree.Element("testsuites", _counts(c for r in reports for c in r.checks))
    for report in reports:
        suite = ElementTree.SubElement(
            root, "testsuite", {"name": report.node, **_counts(report.checks)}
        )
        for check in report.checks:
            case = ElementTree.SubElement(
                suite,
                "testcase",
                {
                    "classname": f"{report.node}.{check.section}",
                    "name": _printable(check.name),
                    "time": f"{check.seconds:.3f}",
                },
            )
            if check.outcome in _JUNIT:
                first = check.message.partition("\n")[0]
                element = ElementTree.SubElement(
                    case, _JUNIT[check.outcome], {"message": _printable(first)}
                )
                element.text = _printable(check.message)
    ElementTree.indent(root)
    return ElementTree.tostring(root, encoding="unicode", xml_declaration=True) + "\n"


def _counts(checks: Iterable[Check]) -> dict[str, str]:
    outcomes = [check.outcome for check in checks]
    return {
        "tests": str(len(outcomes)),
        "failures": str(outcomes.count("failed")),
        "errors": str(outcomes.count("error")),
        "skipped": str(outcomes.count("skipped")),
    }


def _printable(text: str) -> str:
    """Take out what XML cannot hold, such as the colour codes of a program's output."""
    return re.sub("[^\t\n -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]", "", text)
