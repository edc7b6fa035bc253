"""`labctl destroy`."""

from __future__ import annotations

from typing import Annotated

import typer

from labctl.cli import completion
from labctl.cli.i18n.locale import _
from labctl.cli.options import Json, Yes, with_json
from labctl.cli.output.terminal import say
from labctl.cli.session import confirm, open_lab, recorded, sink
from labctl.messages import msg

_MOST_SHOWN = 12
"""Nodes whose names are all in the question."""


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("destroy")(destroy)


def destroy(
    context: typer.Context,
    nodes: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[NODE]...",
            help="Nodes to remove; default: all.",
            autocompletion=completion.nodes,
        ),
    ] = None,
    yes: Yes = False,
    as_json: Json = False,
) -> None:
    """Remove nodes and everything on them, after confirmation."""
    from labctl.cli.output.tables import print_ended
    from labctl.lab.actions import lifecycle

    with_json(context, as_json)
    with sink(context) as emit:
        lab = open_lab(context, emit, classes=True)
        if lab.is_class:
            from labctl.classroom.destroy import doomed

            names = doomed(lab, nodes or ())
        else:
            names = lifecycle.doomed(lab, nodes or ())
    if not names:
        say(_("nothing to destroy"), err=True)
        return
    shown = ", ".join(names)
    if len(names) > _MOST_SHOWN:
        shown = msg("{count} nodes ({first} …)", count=len(names), first=", ".join(names[:3]))
    confirm(
        yes,
        msg("this would remove {names} and everything on them", names=shown),
        msg("Remove {nodes} and everything on them?", nodes=shown),
    )
    with sink(context) as emit:
        lab.emit = recorded(context, emit, lab.workspace.logs)
        if lab.is_class:
            from labctl.classroom.destroy import destroy as destroy_class

            results = destroy_class(lab, names)
        else:
            results = lifecycle.destroy(lab, names)
    print_ended(context.obj, results, lambda node: _("{node} is destroyed", node=node))
