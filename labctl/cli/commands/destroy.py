"""`labctl destroy`."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from labctl.cli.i18n.locale import _
from labctl.cli.options import Json, with_json
from labctl.cli.output.terminal import is_terminal, say
from labctl.cli.session import open_lab, sink
from labctl.messages import msg


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("destroy")(destroy)


def destroy(
    context: typer.Context,
    nodes: Annotated[
        list[str] | None, typer.Argument(help="Nodes to remove; default: all.")
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Skip confirmation.")] = False,
    as_json: Json = False,
) -> None:
    """Remove nodes and everything on them, after confirmation."""
    from labctl.cli.output.tables import print_ended
    from labctl.errors import UsageError
    from labctl.lab.actions import lifecycle

    with_json(context, as_json)
    with sink(context) as emit:
        lab = open_lab(context, emit)
        names = lifecycle.doomed(lab, nodes or ())
    if not names:
        say(_("nothing to destroy"), err=True)
        return
    if not yes:
        if not is_terminal(sys.stdin):
            raise UsageError(
                msg("this would remove {names} and everything on them", names=", ".join(names)),
                hint="pass --yes to skip confirmation",
            )
        question = _("Remove {nodes} and everything on them?", nodes=", ".join(names))
        if not typer.confirm(question, err=True):
            say(_("nothing was removed"), err=True)
            raise typer.Exit(1)
    with sink(context) as emit:
        lab.emit = emit
        results = lifecycle.destroy(lab, names)
    print_ended(context.obj, results, lambda node: _("{node} is destroyed", node=node))
