"""`labctl doctor`."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Annotated

import typer

from labctl.cli import completion
from labctl.cli.i18n.locale import _
from labctl.cli.options import AskPass, AskSudo, Json, with_json
from labctl.cli.output.terminal import say, say_json
from labctl.cli.output.text_width import fill, ljust, width
from labctl.cli.session import ask_passwords, notices, open_lab, sink
from labctl.messages import msg

if TYPE_CHECKING:
    from labctl.machines.finding import Finding
    from labctl.parallel import Result
    from labctl.remote.passwords import Passwords

_COLOURS = {"ok": "green", "warn": "yellow", "fail": "red", "skipped": "bright_black"}


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("doctor")(doctor)


def doctor(
    context: typer.Context,
    nodes: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[NODE]...",
            help="Check these nodes instead: names, patterns, or all.",
            autocompletion=completion.nodes,
        ),
    ] = None,
    offline: Annotated[
        bool, typer.Option("--offline", help="Skip checks that need the network.")
    ] = False,
    ask_pass: AskPass = False,
    ask_sudo_password: AskSudo = False,
    as_json: Json = False,
) -> None:
    """Check that this computer, or a node, can run a lab.

    Nothing is changed. Each problem comes with a fix; the exit code is 1 if a problem keeps the lab
    from working. With nodes, labctl looks at these machines as `labctl up` does before its first
    change: login, sudo, clock, disk, repositories, packages, and the engine's settings.
    """
    from labctl.machines.finding import healthy

    with_json(context, as_json)
    if nodes:
        limit = [] if nodes == ["all"] else nodes
        passwords = ask_passwords(context, ask_pass, ask_sudo_password, limit)
        found = _of_nodes(context, limit, passwords)
    else:
        found = {"": _of_this_computer(context, offline=offline)}
    if not context.obj.as_json:
        _print_all(found)
    for findings in found.values() if context.obj.as_json else ():
        for finding in findings:
            say_json({"event": "finding", **finding.as_json()})
    if not all(map(healthy, found.values())):
        raise typer.Exit(1)


def _of_this_computer(context: typer.Context, *, offline: bool) -> list[Finding]:
    from labctl.lab.doctor.examine import examine
    from labctl.lab.doctor.host import ThisHost
    from labctl.machines.finding import Finding, Level

    lab = open_lab(context, notices(context), new=True)
    findings = examine(lab, ThisHost(), offline=offline)
    if not lab.uses_vagrant:
        state = msg("not checked; `labctl doctor all` looks at them")
        findings.append(Finding(Level.SKIPPED, msg("machines"), state))
    return findings


def _of_nodes(
    context: typer.Context, limit: list[str], passwords: Passwords
) -> dict[str, list[Finding]]:
    """Return the findings of each node."""
    from labctl.lab.doctor.nodes import examine_nodes

    with sink(context) as emit:
        lab = open_lab(context, emit, passwords=passwords, read_only=True)
        results = examine_nodes(lab, limit)
    return {
        result.node: result.value if result.value is not None else [_broke(result)]
        for result in results
    }


def _broke(result: Result[list[Finding]]) -> Finding:
    """Return the finding about a node on which labctl itself failed."""
    from labctl.machines.finding import Finding, Level

    problem = result.error
    assert problem is not None, "a result has a value or an error"
    return Finding(Level.FAIL, "labctl", problem.message, problem.hint, result.node)


def _print_all(found: dict[str, list[Finding]]) -> None:
    for number, (node, findings) in enumerate(found.items()):
        if node:
            say(("\n" if number else "") + node, bold=True)
        _print(findings)
    every = [finding for findings in found.values() for finding in findings]
    failed = sum(finding.level == "fail" for finding in every)
    warned = sum(finding.level == "warn" for finding in every)
    if failed or warned:
        say("\n" + _("{errors} errors, {warnings} warnings", errors=failed, warnings=warned))
    else:
        say("\n" + _("no problems found"))


def _print(findings: list[Finding]) -> None:
    from labctl.cli.output.terminal import printable

    names = [_(finding.what) for finding in findings]
    levels = [_(finding.level) for finding in findings]
    widest = max(map(width, names))
    first = max(7, *map(width, levels))
    columns = max(40, shutil.get_terminal_size().columns)
    indent = " " * (first + 2 + widest + 2)
    for finding, name, level in zip(findings, names, levels, strict=True):
        say(ljust(level, first), fg=_COLOURS[finding.level], nl=False)
        text = fill(printable(_(finding.found)), columns, first=indent, others=indent)
        say(f"  {ljust(name, widest)}  {text[len(indent) :]}")
        if finding.remedy:
            remedy = f"→ {_(finding.remedy)}"
            text = fill(remedy, columns, first=indent, others=f"{indent}  ")
            say(text, dim=finding.level == "ok")
