"""The tables at the end of a run: a row for each node, and the next commands."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import typer

from labctl.cli.i18n.locale import _
from labctl.cli.output.errors import as_json, told
from labctl.cli.output.grouping import NodeMessage, print_grouped
from labctl.cli.output.terminal import printable
from labctl.cli.output.text_width import ljust, width

if TYPE_CHECKING:
    from labctl.checks.report import NodeReport
    from labctl.cli.options import Globals
    from labctl.lab.actions.node_run import NodeRun
    from labctl.lab.actions.status import LabStatus, NodeStatus, RegistryStatus
    from labctl.lab.lab import Lab
    from labctl.parallel import Result


def print_summary(
    options: Globals, lab: Lab, results: list[Result[NodeRun]], *, check: bool
) -> None:
    """Print the result of each node, the failures in full, and the next commands."""
    if options.as_json:
        for result in results:
            _json(_result(lab, result))
        return
    rows = [_row(lab, result) for result in results]
    heads = [
        _("node"),
        _("address"),
        _("engine"),
        _("compose"),
        _("changes"),
        _("checks"),
        _("result"),
    ]
    print_table(heads, rows)
    reports = [result.value.report for result in results if result.value and result.value.report]
    print_grouped(failed(results))
    print_grouped(one for report in reports for one in _failures(report))
    for report in reports:
        _skipped(report)
    if not check and all(_succeeded(result) for result in results):
        first = results[0].node
        line = _("next: labctl ssh {node}    labctl scp FILE {node}:    labctl status", node=first)
        typer.echo(f"\n{line}")
    elif not check:
        typer.echo("\n" + _("next: fix the errors above, then run the same command again"))


def _succeeded(result: Result[NodeRun]) -> bool:
    return result.ok and not (result.value and result.value.report and result.value.report.failed)


def _row(lab: Lab, result: Result[NodeRun]) -> list[str]:
    run = result.value
    report = run.report if run else None
    outcome = run.outcome if run else None
    versions = report.versions if report else {}
    checks = f"{len(report.passed)}/{len(report.checks)}" if report else "-"
    changes = "-"
    if outcome:
        changes = str(len(outcome.changes)) + ("" if outcome.complete else "+")
    return [
        result.node,
        lab.node(result.node).address or "-",
        versions.get("engine", "-"),
        versions.get("compose", "-"),
        changes,
        checks,
        _("ok") if _succeeded(result) else _("FAILED"),
    ]


def failed(results: Sequence[Result[Any]]) -> Iterator[NodeMessage]:
    """Yield the errors of nodes as messages."""
    for result in results:
        if result.error is not None:
            head, *rest = told(result.error)
            yield NodeMessage(result.error.node, head, tuple(rest))


def _failures(report: NodeReport) -> Iterator[NodeMessage]:
    for check in report.failed:
        message = shortened(_(check.message).splitlines())
        yield NodeMessage(
            report.node,
            f"{check.section}: {_(check.title)}: {_(check.outcome.words)}",
            (_("  in {check}", check=check.name), *(f"  | {printable(line)}" for line in message)),
        )


def _skipped(report: NodeReport) -> None:
    for check in report.skipped:
        what = f"{check.section}: {_(check.title)}: {_(check.outcome.words)}"
        typer.echo(f"{report.node}: {what}: {_(check.message)}")


def shortened(lines: list[str]) -> list[str]:
    """Shorten the middle of a long message. The command is at its top, the reason at its end."""
    head, end = 4, 10
    if len(lines) <= head + end + 1:
        return lines
    left_out = _("… {count} more lines in the log and in --json …", count=len(lines) - head - end)
    return [*lines[:head], left_out, *lines[-end:]]


def _result(lab: Lab, result: Result[NodeRun]) -> dict[str, Any]:
    data: dict[str, Any] = {
        "event": "result",
        "node": result.node,
        "address": lab.node(result.node).address,
        "ok": _succeeded(result),
    }
    run = result.value
    if run and run.outcome:
        data["exchanges"] = run.outcome.exchanges
        data["complete"] = run.outcome.complete
        data["changes"] = [
            {"playbook": c.playbook, "resource": c.resource, "summary": c.summary, "diff": c.diff}
            for c in run.outcome.changes
        ]
    if run and run.report:
        data |= run.report.as_json()
    if result.error:
        data["error"] = as_json(result.error)
    return data


def print_ended(options: Globals, results: list[Result[None]], done: Callable[[str], str]) -> None:
    """Print which nodes were halted or destroyed, and the errors of the others.

    `done` returns the line for a node.

    Raises:
        typer.Exit: a node failed; with its exit code.
    """
    for result in results:
        if options.as_json:
            data: dict[str, Any] = {"event": "result", "node": result.node, "ok": result.ok}
            _json(data | ({"error": as_json(result.error)} if result.error else {}))
        elif result.ok:
            typer.echo(done(result.node))
    if not options.as_json:
        print_grouped(failed(results), err=True)
    codes = [result.error.exit_code for result in results if result.error]
    if codes:
        raise typer.Exit(max(codes))


def print_status(
    options: Globals, rows: list[NodeStatus], registry: RegistryStatus | None = None
) -> None:
    """Print a row for each node, and a line about the private registry."""
    if options.as_json:
        for row in rows:
            _json({"event": "status", **row.as_json()})
        if registry is not None:
            _json({"event": "registry", **registry.as_json()})
        return
    print_table(
        [_("node"), _("state"), _("address"), _("engine"), _("containers"), _("up since")],
        [
            [row.node, _(row.state), row.address or "-", row.engine, row.containers, row.since]
            for row in rows
        ],
    )
    if registry is not None:
        said = _(
            "registry: {address}  user {user}, password {password}",
            address=registry.address,
            user=registry.user,
            password=registry.password,
        )
        typer.echo(f"\n{said}")


def print_labs(options: Globals, labs: list[LabStatus]) -> None:
    """Print every lab of this computer with its nodes."""
    for lab in labs:
        if options.as_json:
            _json({"event": "lab", **lab.as_json()})
            continue
        typer.secho(f"{lab.folder}  {lab.name}  {lab.network}".rstrip(), bold=True)
        if lab.gone:
            gone = _(
                "the folder is gone: remove what `vagrant global-status` still shows of it, and"
                " forget it with `labctl status --all --prune`"
            )
            typer.echo(f"  {gone}")
        for row in lab.nodes:
            typer.echo(f"  {row.node}  {_(row.state)}  {row.address or '-'}  {row.engine}")
    if not labs and not options.as_json:
        typer.echo(_("no labs on this computer"))


def _json(data: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(data) + "\n")


def print_table(heads: list[str], rows: list[list[str]]) -> None:
    """Print a table with columns that fit. A pipe gets the same text as a terminal."""
    widths = [max(width(row[i]) for row in [heads, *rows]) for i in range(len(heads))]
    for index, row in enumerate([heads, *rows]):
        line = "  ".join(ljust(cell, columns) for cell, columns in zip(row, widths, strict=True))
        bad = row[-1] == _("FAILED")
        typer.secho(line.rstrip(), bold=index == 0, fg="red" if bad else None)
