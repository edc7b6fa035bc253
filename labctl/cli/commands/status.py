"""`labctl status`."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from labctl.cli.i18n.locale import _
from labctl.cli.options import Json, Limit, NodeNames, with_json
from labctl.cli.output.terminal import say
from labctl.cli.session import open_lab, sink
from labctl.errors import UsageError

if TYPE_CHECKING:
    from labctl.lab.actions.status import NodeStatus

_SECONDS = 5.0
"""From one probe of `--watch` to the next."""


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("status")(status)


def status(
    context: typer.Context,
    nodes: NodeNames = None,
    limit: Limit = None,
    every: Annotated[bool, typer.Option("--all", help="Show every lab of this computer.")] = False,
    prune: Annotated[
        bool,
        typer.Option(
            "--prune", help="With --all: remove labs whose folders are gone from the list."
        ),
    ] = False,
    watch: Annotated[
        bool, typer.Option("--watch", help="Probe again every 5 s until Ctrl-C.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Show which nodes answer, and what runs on them.

    All nodes are probed at once. Vagrant, which takes a second or more, is called only for nodes
    that do not answer. If the lab has a private registry, its address, user and password are shown
    too.
    """
    with_json(context, as_json)
    if watch and (every or prune):
        raise UsageError("--watch is for one lab", hint="remove --all and --prune")
    chosen = [*(nodes or ()), *(limit or ())]
    while watch:
        _show(context, chosen, clear=True)
        time.sleep(_SECONDS)
    if not (every or prune):
        rows = _show(context, chosen)
        if any(row.problem for row in rows):
            raise typer.Exit(1)
        return
    from labctl.cli.output.tables import print_labs
    from labctl.lab.actions.status import status_of_all

    with sink(context) as emit:
        if prune:
            _prune(every)
        labs = status_of_all(emit)
    print_labs(context.obj, labs)


def _show(context: typer.Context, nodes: Sequence[str], *, clear: bool = False) -> list[NodeStatus]:
    """Probe and print the nodes, on an empty screen if `clear`."""
    from labctl.cli.output.tables import print_status
    from labctl.lab.actions.status import registry_of
    from labctl.lab.actions.status import status as probe

    with sink(context) as emit:
        lab = open_lab(context, emit, classes=True)
        if lab.is_class:
            from labctl.classroom.status import status_of_class

            rows = status_of_class(lab, nodes)
        else:
            rows = probe(lab, nodes)
    if clear and not context.obj.as_json:
        from rich.console import Console

        Console().clear()  # nothing in a pipe
    if lab.is_class:
        from labctl.cli.output.students import print_class_status

        print_class_status(context.obj, lab, rows)
    else:
        print_status(context.obj, rows, registry_of(lab))
    sys.stdout.flush()
    return rows


def _prune(every: bool) -> None:
    from labctl.lab.index import LabIndex

    if not every:
        raise UsageError("--prune needs --all", hint="run `labctl status --all --prune`")
    for entry in LabIndex().prune():
        say(_("{folder} is no longer listed", folder=entry.folder), err=True)
