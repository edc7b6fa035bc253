"""`labctl resume`."""

from __future__ import annotations

import typer

from labctl.cli.context import Json, NodeNames, open_lab, sink, with_json
from labctl.cli.language import _


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("resume")(resume)


def resume(context: typer.Context, nodes: NodeNames = None, as_json: Json = False) -> None:
    """Let suspended nodes run on, with their clocks set."""
    from labctl import lifecycle
    from labctl.cli.summary import print_ended

    with_json(context, as_json)
    with sink(context) as emit:
        lab = open_lab(context, emit)
        results = lifecycle.resume(lab, nodes or ())
    print_ended(context.obj, results, _("{} is running"))
