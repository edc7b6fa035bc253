"""`labctl doctor`."""

from __future__ import annotations

import json
import shutil
import sys
import textwrap
from typing import TYPE_CHECKING, Annotated

import typer

from labctl.cli.context import Json, open_lab, with_json

if TYPE_CHECKING:
    from labctl.doctor.finding import Finding

_COLOURS = {"ok": "green", "warn": "yellow", "fail": "red", "skipped": "bright_black"}


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("doctor")(doctor)


def doctor(
    context: typer.Context,
    offline: Annotated[
        bool, typer.Option("--offline", help="Do not ask the network whether sources answer.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Look this machine over: is everything here that the lab needs?

    Nothing is changed. Each finding that is not well comes with what to do about it; the exit code
    is 1 where something will keep the lab from working.
    """
    from labctl.doctor.examination import examine
    from labctl.doctor.finding import healthy
    from labctl.doctor.host import ThisHost

    with_json(context, as_json)
    lab = open_lab(context, lambda event: None)
    findings = examine(lab, ThisHost(), offline=offline)
    if context.obj.as_json:
        for finding in findings:
            line = json.dumps({"event": "finding", **finding.as_json()}, ensure_ascii=False)
            sys.stdout.write(line + "\n")
    else:
        _print(findings)
    if not healthy(findings):
        raise typer.Exit(1)


def _print(findings: list[Finding]) -> None:
    from labctl.cli.errors import printable

    width = max(len(finding.what) for finding in findings)
    columns = max(40, shutil.get_terminal_size().columns)
    for finding in findings:
        typer.secho(f"{finding.level:<7}", fg=_COLOURS[finding.level], nl=False)
        indent = " " * (7 + 2 + width + 2)
        text = textwrap.fill(
            printable(finding.found),
            columns,
            initial_indent=indent,
            subsequent_indent=indent,
            break_long_words=False,
            break_on_hyphens=False,
        )
        typer.echo(f"  {finding.what:<{width}}  {text[len(indent) :]}")
        if finding.remedy:
            typer.secho(
                textwrap.fill(
                    f"→ {finding.remedy}",
                    columns,
                    initial_indent=indent,
                    subsequent_indent=f"{indent}  ",
                    break_long_words=False,
                    break_on_hyphens=False,
                ),
                dim=finding.level == "ok",
            )
    failed = sum(finding.level == "fail" for finding in findings)
    warned = sum(finding.level == "warn" for finding in findings)
    if failed or warned:
        typer.echo(f"\n{failed} to be mended, {warned} to be looked at")
    else:
        typer.echo("\nall is well")
