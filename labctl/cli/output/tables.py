"""The tables at the end of a run: a row for each node, and the next commands."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import typer

from labctl.cli.i18n.locale import _
from labctl.cli.output.errors import as_json, lines_without_node
from labctl.cli.output.failures import print_failures, print_skipped
from labctl.cli.output.grouping import NodeMessage, print_grouped, wrapped
from labctl.cli.output.sinks import is_live
from labctl.cli.output.table import print_table
from labctl.cli.output.terminal import is_terminal, printable, say, say_json, screen_width
from labctl.cli.output.text_width import width

if TYPE_CHECKING:
    from labctl.cli.options import Globals
    from labctl.lab.actions.node_run import NodeRun
    from labctl.lab.actions.status import LabStatus, NodeStatus, RegistryStatus
    from labctl.lab.lab import Lab
    from labctl.parallel import Result

_MOST_CHANGES = 12
"""How many different changes are listed. A first `up` has more, and its logs have all of them."""


def print_summary(
    options: Globals,
    lab: Lab,
    results: list[Result[NodeRun]],
    *,
    command: str,
    check: bool = False,
) -> None:
    """Print the result of each node, the changes, what is wrong, and the next command.

    Parameters:
        options: the global options.
        lab: the lab.
        results: one for each node.
        command: that ran, such as ``provision``.
        check: whether it only looked for changes.
    """
    if options.as_json:
        for result in results:
            _json(result_as_json(lab, result))
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
    print_table(heads, rows, spare=(3, 2, 1, 4, 5))
    if not check:  # the changes to come stand above the table already
        _print_changes(results)
    reports = [result.value.report for result in results if result.value and result.value.report]
    print_grouped(failed(results))
    print_failures(reports, verbose=options.verbose)
    print_skipped(reports)
    say()
    if check or not all(succeeded(result) for result in results):
        say(wrapped(_next(results, command, check=check), screen_width()))
    else:
        node = results[0].node
        _print_commands(f"labctl ssh {node}", f"labctl scp FILE {node}:", "labctl status")


def _next(results: list[Result[NodeRun]], command: str, *, check: bool) -> str:
    """Return what to do next, as a line."""
    changes = sum(len(r.value.outcome.changes) for r in results if r.value and r.value.outcome)
    if any(result.error for result in results):
        return _(
            "next: fix the errors above, then run `labctl {command}` again; details: `labctl logs`",
            command=command,
        )
    if check and not changes:
        return _("no changes pending")
    if check:
        pending = (
            _("1 change pending") if changes == 1 else _("{count} changes pending", count=changes)
        )
        return pending + _("; next: `labctl provision`")
    if command.startswith("verify --fix"):
        return _("next: follow the lines above; details: `labctl logs`")
    return _(
        "next: `labctl verify --fix` provisions these nodes and checks again; details:"
        " `labctl logs`"
    )


def _print_commands(*commands: str) -> None:
    """Print what may be run next: on one line, or on a line each if they do not fit."""
    head = _("next: {commands}", commands="")
    columns = screen_width()
    gap = "    "
    if columns is not None and width(head + gap.join(commands)) > columns:
        gap = "\n" + " " * width(head)
    say(head + gap.join(commands))


def _print_changes(results: Sequence[Result[NodeRun]]) -> None:
    """Print what was changed. Nodes with the same change share a line."""
    seen: dict[str, list[str]] = {}
    for result in results:
        if result.value and result.value.outcome:
            for change in result.value.outcome.changes:
                text = f"{change.playbook}{_(': ')}{printable(_(change.summary))}"
                seen.setdefault(text, []).append(result.node)
    if not seen:
        return
    say("\n" + _("changed:"))
    columns = screen_width()
    for text, nodes in list(seen.items())[:_MOST_CHANGES]:
        where = "" if len(nodes) == len(results) > 1 else f"{', '.join(nodes)}{_(': ')}"
        say(wrapped(f"  {where}{text}", columns))
    if len(seen) > _MOST_CHANGES:
        left = len(seen) - _MOST_CHANGES
        say("  " + _("… and {count} more; see `labctl logs`", count=left))


def succeeded(result: Result[NodeRun]) -> bool:
    """Return whether nothing failed on a node."""
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
        _("ok") if succeeded(result) else _("FAILED"),
    ]


def failed(results: Sequence[Result[Any]]) -> Iterator[NodeMessage]:
    """Yield the errors of nodes as messages."""
    for result in results:
        if result.error is not None:
            head, *rest = lines_without_node(result.error)
            yield NodeMessage(result.error.node, head, tuple(rest))


def result_as_json(lab: Lab, result: Result[NodeRun]) -> dict[str, Any]:
    """Return the result of a node, or of a student whose lab failed, as plain values."""
    addresses = {node.name: node.address for node in lab.nodes}
    data: dict[str, Any] = {
        "event": "result",
        "node": result.node,
        "address": addresses.get(result.node),  # a student of a class has none
        "ok": succeeded(result),
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

    `done` returns the line for a node. On a terminal the live table has shown that already.

    Raises:
        typer.Exit: a node failed; with its exit code.
    """
    for result in results:
        if options.as_json:
            data: dict[str, Any] = {"event": "result", "node": result.node, "ok": result.ok}
            _json(data | ({"error": as_json(result.error)} if result.error else {}))
        elif result.ok and not (is_live(verbose=options.verbose) and is_terminal(sys.stdout)):
            say(done(result.node))
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
    heads = [
        *(_("node"), _("state"), _("address"), _("engine"), _("containers")),
        *(_("load"), _("memory"), _("disk"), _("up")),
    ]
    print_table(heads, [_status_row(row) for row in rows], spare=(5, 4, 2, 6, 8))
    warnings = [NodeMessage(row.node, _(warning)) for row in rows for warning in row.warnings]
    print_grouped(warnings)
    for proxy in dict.fromkeys(row.health.proxy for row in rows if row.health.proxy):
        line = _("proxy of the nodes: {proxy}", proxy=proxy)
        say(f"\n{line}")
    if registry is not None:
        line = _(
            "registry: {address}  user {user}, password {password}",
            address=registry.address,
            user=registry.user,
            password=registry.password,
        )
        say(f"\n{line}")


def _status_row(row: NodeStatus) -> list[str]:
    health = row.health
    return [
        row.node,
        _(row.state),
        row.address or "-",
        row.engine if row.engine != "-" else _(health.engine),
        row.containers,
        "-" if health.load is None else f"{health.load:.2f}",
        _used(health.memory, health.memory_free),
        _used(health.disk, health.disk_free),
        _ago(health.uptime),
    ]


def _used(size: int | None, free: int | None) -> str:
    return f"{(size - free) / size:.0%}" if size and free is not None else "-"


def _ago(seconds: float | None) -> str:
    """Return a time that passed, in one unit."""
    if seconds is None:
        return "-"
    if seconds < 120:
        return _("{count} s", count=int(seconds))
    if seconds < 7200:
        return _("{count} min", count=int(seconds / 60))
    if seconds < 172_800:
        return _("{count} h", count=int(seconds / 3600))
    return _("{count} days", count=int(seconds / 86_400))


def print_labs(options: Globals, labs: list[LabStatus]) -> None:
    """Print every lab of this computer with its nodes."""
    for lab in labs:
        if options.as_json:
            _json({"event": "lab", **lab.as_json()})
            continue
        say(f"{lab.folder}  {lab.name}  {lab.network}".rstrip(), bold=True)
        if lab.gone:
            gone = _(
                "the folder is gone: remove its machines that `vagrant "
                "global-status` lists, then run `labctl status --all --prune`"
            )
            say(f"  {gone}")
        for row in lab.nodes:
            say(f"  {row.node}  {_(row.state)}  {row.address or '-'}  {row.engine}")
    if not labs and not options.as_json:
        say(_("no labs on this computer"))


def _json(data: dict[str, Any]) -> None:
    say_json(data)
