"""`labctl status`."""

from __future__ import annotations

from typing import Annotated

import typer

from labctl.cli.i18n.locale import _
from labctl.cli.options import Json, Limit, with_json
from labctl.cli.output.terminal import say
from labctl.cli.session import open_lab, sink


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("status")(status)


def status(
    context: typer.Context,
    limit: Limit = None,
    every: Annotated[bool, typer.Option("--all", help="Show every lab of this computer.")] = False,
    prune: Annotated[
        bool,
        typer.Option(
            "--prune", help="With --all: remove labs whose folders are gone from the list."
        ),
    ] = False,
    as_json: Json = False,
) -> None:
    """Show which nodes answer, and what runs on them.

    All nodes are probed at once. Vagrant, which takes a second or more, is called only for nodes
    that do not answer. If the lab has a private registry, its address, user and password are shown
    too.
    """
    from labctl.cli.output.tables import print_labs, print_status
    from labctl.lab.actions.status import registry_of, status_of_all
    from labctl.lab.actions.status import status as look

    with_json(context, as_json)
    with sink(context) as emit:
        if prune:
            _prune(every)
        if every:
            labs = status_of_all(emit)
        else:
            lab = open_lab(context, emit)
            rows = look(lab, limit or ())
    if every:
        print_labs(context.obj, labs)
    else:
        print_status(context.obj, rows, registry_of(lab))
        if any(row.problem for row in rows):
            raise typer.Exit(1)


def _prune(every: bool) -> None:
    from labctl.errors import UsageError
    from labctl.lab.index import LabIndex

    if not every:
        raise UsageError("--prune needs --all", hint="run `labctl status --all --prune`")
    for entry in LabIndex().prune():
        say(_("{folder} is no longer listed", folder=entry.folder), err=True)
