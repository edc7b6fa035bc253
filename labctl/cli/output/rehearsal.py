"""The result of a rehearsal, for people and for programs."""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from labctl.cli.i18n.locale import _
from labctl.cli.output.errors import as_json
from labctl.cli.output.grouping import NodeMessage, print_grouped
from labctl.cli.output.tables import failed, print_table, shortened
from labctl.cli.output.terminal import printable
from labctl.events import CheckOutcome

if TYPE_CHECKING:
    from labctl.checks.exercises.result import Rehearsal
    from labctl.checks.report import Check, CommandRun, NodeReport
    from labctl.cli.options import Globals
    from labctl.lab.lab import Lab
    from labctl.lab.sections import Section
    from labctl.parallel import Result

_LAST_COMMANDS = 5
_LAST_LINES = 6


def print_sections(options: Globals, lab: Lab, sections: Sequence[Section]) -> None:
    """Print the sections and the files of their exercises."""
    for section in sections:
        if options.as_json:
            files = [str(file) for file in section.files]
            _json({"event": "section", "section": section.name, "files": files})
    if not options.as_json:
        rows = [[section.name, ", ".join(map(str, section.files))] for section in sections]
        print_table([_("section"), _("exercises")], rows)


def print_rehearsal(options: Globals, rehearsal: Rehearsal, page: Path) -> None:
    """Print a table of sections and nodes, the failures with their commands, and the page."""
    if options.as_json:
        for result in rehearsal.results:
            _json(_result(result))
        _json(
            {
                "event": "rehearsal",
                "ok": rehearsal.ok,
                "sections": rehearsal.sections,
                "seconds": round(rehearsal.seconds, 3),
                "page": str(page),
                **rehearsal.counts(),
            }
        )
        return
    heads = [_("section"), *(result.node for result in rehearsal.results)]
    print_table(heads, [_row(section, rehearsal.results) for section in rehearsal.sections])
    print_grouped(failed(rehearsal.results))
    reports = rehearsal.reports
    print_grouped(_failure(report, check) for report in reports for check in report.failed)
    _not_applicable(rehearsal)
    typer.echo(f"\n{_(rehearsal.verdict)}")
    typer.echo(_("page: {path}", path=page))


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


def _failure(report: NodeReport, check: Check) -> NodeMessage:
    rest = [f"  | {printable(x)}" for x in shortened(_(check.message).splitlines())]
    left = len(check.relevant_commands) - _LAST_COMMANDS
    if left > 0:
        before = _("… {count} earlier commands in --json and on the page …", count=left)
        rest.append(f"  {before}")
    for ran in check.relevant_commands[-_LAST_COMMANDS:]:
        rest += _ran(report.node, ran)
    head = f"{check.section}: {_(check.title)}: {_(check.outcome.words)}"
    return NodeMessage(report.node, head, tuple(rest))


def _ran(node: str, ran: CommandRun) -> list[str]:
    where = f"{ran.node}: " if ran.node != node else ""
    code = _("did not end") if ran.exit_code is None else _("exit code {code}", code=ran.exit_code)
    first, *more = [printable(line) for line in ran.command.splitlines() or [""]]
    command = first + (" …" if more else "")
    output = (ran.out + ran.err).splitlines()[-_LAST_LINES:] if ran.exit_code != 0 else []
    return [
        f"  {where}{'#' if ran.root else '$'} {command}   ({code})",
        *(f"      {printable(line)}" for line in output),
    ]


def _not_applicable(rehearsal: Rehearsal) -> None:
    """Print the exercises that do not apply and why. Nodes with the same reason share a line."""
    seen: dict[tuple[str, str, str], list[str]] = {}
    for report in rehearsal.reports:
        for check in report.skipped:
            key = (check.section, check.title, check.message)
            seen.setdefault(key, []).append(report.node)
    if seen:
        typer.echo("\n" + _("not applicable:"))
    for (section, title, message), nodes in seen.items():
        where = "" if len(nodes) == len(rehearsal.results) else f" ({', '.join(nodes)})"
        typer.echo(f"  {section}: {printable(_(title))}{where}: {printable(_(message))}")


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
    sys.stdout.write(json.dumps(data) + "\n")
