"""`labctl halt`."""

from __future__ import annotations

from typing import Annotated

import typer

from labctl.cli.context import Json, open_lab, sink, with_json


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("halt")(halt)


def halt(
    context: typer.Context,
    nodes: Annotated[
        list[str] | None, typer.Argument(help="Nodes to shut down; default: all.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Shut nodes down; `labctl up` brings them back as they were."""
    from labctl import operations
    from labctl.cli.summary import print_ended

    with_json(context, as_json)
    with sink(context) as emit:
        lab = open_lab(context, emit)
        results = operations.halt(lab, nodes or ())
    print_ended(context.obj, results, "halted")
