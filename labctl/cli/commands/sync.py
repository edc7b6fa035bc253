"""`labctl sync`."""

from __future__ import annotations

from typing import Annotated

import typer

from labctl.cli.i18n.locale import _
from labctl.cli.options import Json, NodeNames, with_json
from labctl.cli.session import open_lab, sink


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("sync")(sync)


def sync(
    context: typer.Context,
    nodes: NodeNames = None,
    watch: Annotated[
        bool, typer.Option("--watch", help="Continue to sync changes until Ctrl-C.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Sync the lab's rsync folders to its nodes."""
    from labctl.cli.output.tables import print_ended
    from labctl.lab.actions import lifecycle

    with_json(context, as_json)
    with sink(context) as emit:
        lab = open_lab(context, emit)
        results = lifecycle.sync(lab, nodes or (), watch=watch)
    print_ended(context.obj, results, lambda node: _("{node} is in sync", node=node))
