"""`labctl halt`, `reload`, `suspend` and `resume`."""

from __future__ import annotations

import typer

from labctl.cli.i18n.locale import _
from labctl.cli.options import Json, NodeNames, with_json
from labctl.cli.session import open_lab, sink


def register(app: typer.Typer) -> None:
    """Add the commands."""
    for command in (halt, reload, suspend, resume):
        app.command(command.__name__)(command)


def halt(context: typer.Context, nodes: NodeNames = None, as_json: Json = False) -> None:
    """Shut nodes down; `labctl up` brings them back as they were."""
    from labctl.cli.output.tables import print_ended
    from labctl.lab.actions import lifecycle

    with_json(context, as_json)
    with sink(context) as emit:
        lab = open_lab(context, emit)
        results = lifecycle.halt(lab, nodes or ())
    print_ended(context.obj, results, lambda node: _("{node} is halted", node=node))


def reload(context: typer.Context, nodes: NodeNames = None, as_json: Json = False) -> None:
    """Restart nodes with lab.yaml's current memory, processors and folders."""
    from labctl.cli.output.tables import print_ended
    from labctl.lab.actions import lifecycle

    with_json(context, as_json)
    with sink(context) as emit:
        lab = open_lab(context, emit)
        results = lifecycle.reload(lab, nodes or ())
    print_ended(context.obj, results, lambda node: _("{node} is restarted", node=node))


def suspend(context: typer.Context, nodes: NodeNames = None, as_json: Json = False) -> None:
    """Suspend nodes; memory and containers are kept until `labctl resume`."""
    from labctl.cli.output.tables import print_ended
    from labctl.lab.actions import lifecycle

    with_json(context, as_json)
    with sink(context) as emit:
        lab = open_lab(context, emit)
        results = lifecycle.suspend(lab, nodes or ())
    print_ended(context.obj, results, lambda node: _("{node} is suspended", node=node))


def resume(context: typer.Context, nodes: NodeNames = None, as_json: Json = False) -> None:
    """Resume suspended nodes and set their clocks."""
    from labctl.cli.output.tables import print_ended
    from labctl.lab.actions import lifecycle

    with_json(context, as_json)
    with sink(context) as emit:
        lab = open_lab(context, emit)
        results = lifecycle.resume(lab, nodes or ())
    print_ended(context.obj, results, lambda node: _("{node} is running", node=node))
