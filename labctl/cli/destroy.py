"""`labctl destroy`."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from labctl.cli.context import Json, is_terminal, open_lab, sink, with_json
from labctl.cli.language import _


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("destroy")(destroy)


def destroy(
    context: typer.Context,
    nodes: Annotated[
        list[str] | None, typer.Argument(help="Nodes to remove; default: all.")
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    as_json: Json = False,
) -> None:
    """Remove nodes and all that is on them. It asks first."""
    from labctl import lifecycle
    from labctl.cli.summary import print_ended
    from labctl.errors import UsageError

    with_json(context, as_json)
    with sink(context) as emit:
        lab = open_lab(context, emit)
        names = lifecycle.doomed(lab, nodes or ())
    if not names:
        typer.echo(_("there is nothing to destroy"), err=True)
        return
    if not yes:
        if not is_terminal(sys.stdin):
            raise UsageError(
                f"this would remove {', '.join(names)} and all that is on them",
                hint="say --yes to do it without being asked",
            )
        question = _("Remove {} and all that is on them?").format(", ".join(names))
        if not typer.confirm(question, err=True):
            typer.echo(_("nothing was removed"), err=True)
            raise typer.Exit(1)
    with sink(context) as emit:
        lab.emit = emit
        results = lifecycle.destroy(lab, names)
    print_ended(context.obj, results, _("{} is destroyed"))
