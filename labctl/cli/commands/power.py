"""`labctl halt`, `reload`, `suspend` and `resume`."""

from __future__ import annotations

import typer

from labctl.cli.i18n.locale import _
from labctl.cli.options import Json, NodeNames
from labctl.cli.session import change_nodes


def register(app: typer.Typer) -> None:
    """Add the commands."""
    for command in (halt, reload, suspend, resume):
        app.command(command.__name__)(command)


def halt(context: typer.Context, nodes: NodeNames = None, as_json: Json = False) -> None:
    """Shut nodes down; `labctl up` brings them back as they were."""
    from labctl.lab.actions import lifecycle

    def done(node: str) -> str:
        return _("{node} is halted", node=node)

    change_nodes(context, as_json, nodes, lifecycle.halt, done)


def reload(context: typer.Context, nodes: NodeNames = None, as_json: Json = False) -> None:
    """Restart nodes with lab.yaml's current memory, processors and folders."""
    from labctl.lab.actions import lifecycle

    def done(node: str) -> str:
        return _("{node} is restarted", node=node)

    change_nodes(context, as_json, nodes, lifecycle.reload, done)


def suspend(context: typer.Context, nodes: NodeNames = None, as_json: Json = False) -> None:
    """Suspend nodes; memory and containers are kept until `labctl resume`."""
    from labctl.lab.actions import lifecycle

    def done(node: str) -> str:
        return _("{node} is suspended", node=node)

    change_nodes(context, as_json, nodes, lifecycle.suspend, done)


def resume(context: typer.Context, nodes: NodeNames = None, as_json: Json = False) -> None:
    """Resume suspended nodes and set their clocks."""
    from labctl.lab.actions import lifecycle

    def done(node: str) -> str:
        return _("{node} is running", node=node)

    change_nodes(context, as_json, nodes, lifecycle.resume, done)
