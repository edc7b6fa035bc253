"""`labctl sync`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated

import typer

from labctl.cli.i18n.locale import _
from labctl.cli.options import Json, NodeNames
from labctl.cli.session import change_nodes

if TYPE_CHECKING:
    from labctl.lab.lab import Lab
    from labctl.parallel import Result


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
    from labctl.lab.actions import lifecycle

    def done(node: str) -> str:
        return _("{node} is in sync", node=node)

    def work(lab: Lab, chosen: Iterable[str]) -> list[Result[None]]:
        return lifecycle.sync(lab, chosen, watch=watch)

    change_nodes(context, as_json, nodes, work, done)
