"""`labctl checkpoint`."""

from __future__ import annotations

from typing import Annotated

import typer

from labctl.cli.i18n.locale import _
from labctl.cli.options import Json, Limit, with_json
from labctl.cli.output.terminal import say, say_json
from labctl.cli.session import change_nodes, open_lab, sink

Name = Annotated[str, typer.Argument(help="The checkpoint's name, such as chapter5.")]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    commands = typer.Typer(
        help="Save and restore the state of nodes by name.",
        no_args_is_help=True,
        rich_markup_mode=None,
    )
    commands.command("save")(save)
    commands.command("list")(show)
    commands.command("restore")(restore)
    commands.command("delete")(delete)
    app.add_typer(commands, name="checkpoint")


def save(context: typer.Context, name: Name, limit: Limit = None, as_json: Json = False) -> None:
    """Save disks and memory of nodes under a name."""
    from labctl.lab.actions import checkpoints

    def done(node: str) -> str:
        return _("{node} is saved as {checkpoint}", node=node, checkpoint=name)

    change_nodes(context, as_json, lambda lab: checkpoints.save(lab, name, limit or ()), done)


def restore(context: typer.Context, name: Name, limit: Limit = None, as_json: Json = False) -> None:
    """Restore nodes to a checkpoint. Later changes on them are lost."""
    from labctl.lab.actions import checkpoints

    def done(node: str) -> str:
        return _("{node} is restored to {checkpoint}", node=node, checkpoint=name)

    change_nodes(context, as_json, lambda lab: checkpoints.restore(lab, name, limit or ()), done)


def delete(context: typer.Context, name: Name, limit: Limit = None, as_json: Json = False) -> None:
    """Delete a checkpoint; the nodes are unchanged."""
    from labctl.lab.actions import checkpoints

    def done(node: str) -> str:
        return _("{checkpoint} is deleted from {node}", node=node, checkpoint=name)

    change_nodes(context, as_json, lambda lab: checkpoints.delete(lab, name, limit or ()), done)


def show(context: typer.Context, limit: Limit = None, as_json: Json = False) -> None:
    """List the checkpoints of each node."""

    from labctl.cli.output.errors import as_json as as_dict
    from labctl.cli.output.grouping import print_grouped
    from labctl.cli.output.tables import failed
    from labctl.lab.actions import checkpoints

    with_json(context, as_json)
    with sink(context) as emit:
        results = checkpoints.names(open_lab(context, emit), limit or ())
    for result in results:
        if context.obj.as_json:
            found = {"event": "checkpoints", "node": result.node, "checkpoints": result.value or []}
            error = {"error": as_dict(result.error)} if result.error else {}
            say_json(found | error)
        elif result.ok:
            say(f"{result.node}  {'  '.join(result.value or []) or '-'}")
    if not context.obj.as_json:
        print_grouped(failed(results), err=True)
    codes = [result.error.exit_code for result in results if result.error]
    if codes:
        raise typer.Exit(max(codes))
