"""`labctl doctor`."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Annotated

import typer

from labctl.cli.i18n.locale import _
from labctl.cli.options import Json, with_json
from labctl.cli.output.terminal import say, say_json
from labctl.cli.output.text_width import fill, ljust, width
from labctl.cli.session import notices, open_lab

if TYPE_CHECKING:
    from labctl.machines.finding import Finding

_COLOURS = {"ok": "green", "warn": "yellow", "fail": "red", "skipped": "bright_black"}


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("doctor")(doctor)


def doctor(
    context: typer.Context,
    offline: Annotated[
        bool, typer.Option("--offline", help="Skip checks that need the network.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Check that this computer can run a lab.

    Nothing is changed. Each problem comes with a fix; the exit code is 1 if a problem keeps the lab
    from working.
    """
    from labctl.lab.doctor.examine import examine
    from labctl.lab.doctor.host import ThisHost
    from labctl.machines.finding import healthy

    with_json(context, as_json)
    lab = open_lab(context, notices(context), new=True)
    findings = examine(lab, ThisHost(), offline=offline)
    if context.obj.as_json:
        for finding in findings:
            say_json({"event": "finding", **finding.as_json()})
    else:
        _print(findings)
    if not healthy(findings):
        raise typer.Exit(1)


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
    failed = sum(finding.level == "fail" for finding in findings)
    warned = sum(finding.level == "warn" for finding in findings)
    if failed or warned:
        say("\n" + _("{errors} errors, {warnings} warnings", errors=failed, warnings=warned))
    else:
        say("\n" + _("no problems found"))
