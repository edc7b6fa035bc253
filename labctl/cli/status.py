"""`labctl status`."""

from __future__ import annotations

import typer

from labctl.cli.context import Json, Limit, open_lab, sink, with_json


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("status")(status)


def status(context: typer.Context, limit: Limit = None, as_json: Json = False) -> None:
    """Show which nodes answer, and what runs on them.

    Each node that is known is asked itself, all at once; Vagrant, which takes a second or more, is
    asked only about nodes that do not answer.
    """
    from labctl.cli.summary import print_status
    from labctl.status import status as look

    with_json(context, as_json)
    with sink(context) as emit:
        lab = open_lab(context, emit)
        rows = look(lab, limit or ())
    print_status(context.obj, rows)
