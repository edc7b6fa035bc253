"""`labctl list`."""

from __future__ import annotations

from typing import Annotated

import typer

from labctl.cli.i18n.locale import _
from labctl.cli.options import Json, with_json
from labctl.cli.output.terminal import say
from labctl.cli.session import sink


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("list")(list_)


def list_(
    context: typer.Context,
    prune: Annotated[
        bool, typer.Option("--prune", help="Remove labs whose folders are gone from the list.")
    ] = False,
    as_json: Json = False,
) -> None:
    """List every lab of this computer with its nodes."""
    from labctl.cli.output.tables import print_labs
    from labctl.lab.actions.status import status_of_all
    from labctl.lab.index import LabIndex

    with_json(context, as_json)
    with sink(context) as emit:
        if prune:
            for entry in LabIndex().prune():
                say(_("{folder} is no longer listed", folder=entry.folder), err=True)
        labs = status_of_all(emit)
    print_labs(context.obj, labs)
