"""`labctl sync`."""

from __future__ import annotations

from typing import Annotated

import typer

from labctl.cli.context import Json, NodeNames, open_lab, sink, with_json
from labctl.cli.language import _


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("sync")(sync)


def sync(
    context: typer.Context,
    nodes: NodeNames = None,
    watch: Annotated[
        bool, typer.Option("--watch", help="Go on pushing what changes, until Ctrl-C.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Push the lab's rsync folders to its nodes again."""
    from labctl import lifecycle
    from labctl.cli.summary import print_ended

    with_json(context, as_json)
    with sink(context) as emit:
        lab = open_lab(context, emit)
        results = lifecycle.sync(lab, nodes or (), watch=watch)
    print_ended(context.obj, results, _("{} is in sync"))
