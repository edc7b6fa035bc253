"""The result of a rehearsal."""

from __future__ import annotations

from dataclasses import dataclass

from labctl.checks.report import NodeReport
from labctl.events import CheckOutcome
from labctl.messages import joined, msg
from labctl.parallel import Result


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """The result of a rehearsal.

    Parameters:
        lab: the lab's name.
        sections: names of the rehearsed sections, in order.
        results: one for each node, in the lab's order.
        began: when it began, in seconds since 1970.
        seconds: how long it took.
    """

    lab: str
    sections: tuple[str, ...]
    results: tuple[Result[NodeReport], ...]
    began: float
    seconds: float

    @property
    def ok(self) -> bool:
        """True if every node was reached and no exercise failed."""
        return all(r.ok and r.value is not None and not r.value.failed for r in self.results)

    @property
    def reports(self) -> tuple[NodeReport, ...]:
        """The reports of the nodes that were reached."""
        return tuple(result.value for result in self.results if result.value is not None)

    def counts(self) -> dict[str, int]:
        """Return the number of exercises for each outcome, on all nodes together."""
        outcomes = [check.outcome for report in self.reports for check in report.checks]
        return {outcome.value: outcomes.count(outcome) for outcome in CheckOutcome}

    @property
    def verdict(self) -> str:
        """The result as a sentence."""
        counts = self.counts()
        bad = counts["failed"] + counts["error"]
        text = msg(
            "{passed} passed, {failed} failed, {skipped} not applicable",
            passed=counts["passed"],
            failed=bad,
            skipped=counts["skipped"],
        )
        lost = [result.node for result in self.results if result.error]
        rest = [msg("not rehearsed: {nodes}", nodes=", ".join(lost))] if lost else []
        return joined([text, *rest])
