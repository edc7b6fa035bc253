"""`labctl open`."""

from __future__ import annotations

from typing import Annotated

import typer

from labctl.cli.i18n.locale import _
from labctl.cli.output.terminal import say
from labctl.cli.session import open_lab
from labctl.messages import msg


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("open")(open_report)


def open_report(
    context: typer.Context,
    partial: Annotated[
        bool,
        typer.Option("--partial", help="Open the report of the last partial rehearsal."),
    ] = False,
) -> None:
    """Show the last rehearsal's report in the browser."""
    import webbrowser

    from labctl.errors import LabctlError

    lab = open_lab(context, lambda event: None, classes=True)
    place = lab.workspace.partial_rehearsal if partial else lab.workspace.rehearsal
    if not place.is_file():
        other = lab.workspace.rehearsal if partial else lab.workspace.partial_rehearsal
        hint = msg("`labctl rehearse` writes it")
        if other.is_file():
            hint = (
                msg("`labctl open` shows the report of all sections")
                if partial
                else msg("`labctl open --partial` shows the report of the last partial rehearsal")
            )
        raise LabctlError(msg("{path} does not exist", path=place), hint=hint)
    say(_("report: {path}", path=place))
    if not webbrowser.open(place.as_uri()):
        raise LabctlError("no browser was found", hint="open the file named above")
