"""`labctl halt`."""

from __future__ import annotations

import typer

from labctl.cli.context import Json, NodeNames, open_lab, sink, with_json
from labctl.cli.language import _


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("halt")(halt)


def halt(context: typer.Context, nodes: NodeNames = None, as_json: Json = False) -> None:
    """Shut nodes down; `labctl up` brings them back as they were."""
    from labctl import lifecycle
    from labctl.cli.summary import print_ended

    with_json(context, as_json)
    with sink(context) as emit:
        lab = open_lab(context, emit)
        results = lifecycle.halt(lab, nodes or ())
    print_ended(context.obj, results, _("{} is halted"))
