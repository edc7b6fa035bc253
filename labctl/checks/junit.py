"""Reports as JUnit XML for CI systems."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from labctl.checks.report import Check, NodeReport
from labctl.events import CheckOutcome
from labctl.messages import printable

_JUNIT = {
    CheckOutcome.FAILED: "failure",
    CheckOutcome.ERROR: "error",
    CheckOutcome.SKIPPED: "skipped",
}
"""The element for an outcome; a test that passed has none."""


def junit(reports: Sequence[NodeReport], lost: Mapping[str, str] | None = None) -> str:
    """Return the reports as JUnit XML with a suite for each node.

    Parameters:
        reports: of the nodes that were reached.
        lost: by name, why other nodes were not reached. Each gets one test with an error.
    """
    from xml.etree import ElementTree

    reports = [
        *reports,
        *(
            NodeReport(node, (Check("labctl", "reached", "", CheckOutcome.ERROR, why, 0.0),), {})
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
                element.text = _printable(check.details or check.message)
    ElementTree.indent(root)
    return ElementTree.tostring(root, encoding="unicode", xml_declaration=True) + "\n"


def _counts(checks: Iterable[Check]) -> dict[str, str]:
    outcomes = [check.outcome for check in checks]
    return {
        "tests": str(len(outcomes)),
        "failures": str(outcomes.count(CheckOutcome.FAILED)),
        "errors": str(outcomes.count(CheckOutcome.ERROR)),
        "skipped": str(outcomes.count(CheckOutcome.SKIPPED)),
    }


def _printable(text: str) -> str:
    """Replace characters that XML does not allow, or that a terminal would obey."""
    return printable(text, keep="\n\t")
