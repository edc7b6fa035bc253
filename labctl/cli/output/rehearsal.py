"""The result of a rehearsal, for people and for programs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from labctl.cli.i18n.locale import _
from labctl.cli.output.errors import as_json
from labctl.cli.output.failures import print_failures, print_skipped
from labctl.cli.output.grouping import print_grouped, wrapped
from labctl.cli.output.table import print_described, print_wide_table
from labctl.cli.output.tables import failed
from labctl.cli.output.terminal import say, say_json, screen_width
from labctl.cli.output.text_width import width
from labctl.events import CheckOutcome

if TYPE_CHECKING:
    from labctl.checks.exercises.result import Rehearsal
    from labctl.checks.report import NodeReport
    from labctl.cli.options import Globals
    from labctl.lab.lab import Lab
    from labctl.lab.sections import Section
    from labctl.parallel import Result


def print_sections(options: Globals, lab: Lab, sections: Sequence[Section]) -> None:
    """Print the sections, how many exercises each has, and how long it usually takes."""
    from labctl.lab.durations import Durations
    from labctl.lab.sections import exercises

    usual = Durations(lab.workspace.durations).usual("rehearse")
    rows = []
    for section in sections:
        found = exercises(section)
        # A test with parameters has a name for each of them.
        times = [
            seconds
            for key, seconds in usual.items()
            if key.partition("[")[0] in {f"{section.name}/{name}" for name in found.names}
        ]
        if options.as_json:
            say_json(
                {
                    "event": "section",
                    "section": section.name,
                    "files": [str(file) for file in section.files],
                    "about": found.about,
                    "exercises": len(found.names),
                    "seconds": round(sum(times), 1) if times else None,
                }
            )
        rows.append([section.name, str(len(found.names)), _usual(times), _(found.about)])
    if not options.as_json:
        heads = [_("section"), _("exercises"), _("usual time"), _("content")]
        print_described(heads, rows)


def _usual(times: Sequence[float]) -> str:
    seconds = sum(times)
    if not times:
        return "-"
    if seconds < 90:
        return _("{seconds:.0f} s", seconds=seconds)
    return _("{minutes} min", minutes=round(seconds / 60))


def print_rehearsal(
    options: Globals, rehearsal: Rehearsal, page: Path, *, partial: bool = False
) -> None:
    """Print a table of sections and nodes, the failures with their commands, and the page."""
    if options.as_json:
        for result in rehearsal.results:
            _json(_result(result))
        _json(
            {
                "event": "rehearsal",
                "ok": rehearsal.ok,
                "partial": partial,
                "sections": rehearsal.sections,
                "seconds": round(rehearsal.seconds, 3),
                "page": str(page),
                **rehearsal.counts(),
            }
        )
        return
    heads = [_("section"), *(result.node for result in rehearsal.results)]
    print_wide_table(heads, [_row(section, rehearsal.results) for section in rehearsal.sections])
    print_grouped(failed(rehearsal.results))
    print_failures(rehearsal.reports, verbose=options.verbose)
    print_skipped(rehearsal.reports)
    say()
    say(wrapped(_(rehearsal.verdict), screen_width()))
    report, open_it = _("report: {path}", path=page), "labctl open" + " --partial" * partial
    columns = screen_width()
    fits = columns is None or width(report) + 4 + len(open_it) <= columns
    say(report + ("    " if fits else "\n  ") + open_it)


def _row(section: str, results: Sequence[Result[NodeReport]]) -> list[str]:
    return [section, *(_cell(section, result) for result in results)]


def _cell(section: str, result: Result[NodeReport]) -> str:
    if result.value is None:
        return _("FAILED")
    checks = [check for check in result.value.checks if check.section == section]
    outcomes = Counter(check.outcome for check in checks)
    skipped = outcomes[CheckOutcome.SKIPPED]
    bad = any(outcome.bad for outcome in outcomes)
    applied = len(checks) - skipped
    passed = f"{outcomes[CheckOutcome.PASSED]}/{applied}" if applied else ""
    parts = [passed, _("{count} n/a", count=skipped) if skipped else "", _("FAILED") if bad else ""]
    seconds = f"{sum(check.seconds for check in checks):.0f} s"
    return " ".join(part for part in (*parts, seconds) if part)


def _result(result: Result[NodeReport]) -> dict[str, Any]:
    report = result.value
    data: dict[str, Any] = {
        "event": "result",
        "node": result.node,
        "ok": report is not None and not report.failed,
    }
    if report is not None:
        data |= report.as_json()
    if result.error:
        data["error"] = as_json(result.error)
    return data


def _json(data: dict[str, Any]) -> None:
    say_json(data)
