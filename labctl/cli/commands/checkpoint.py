"""`labctl checkpoint`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from labctl.cli import completion
from labctl.cli.groups import SuggestingGroup
from labctl.cli.i18n.locale import _
from labctl.cli.options import Json, Limit, Yes, with_json
from labctl.cli.output.terminal import say, say_json
from labctl.cli.session import change_nodes, confirm, open_lab, sink
from labctl.messages import msg

New = Annotated[
    str, typer.Argument(metavar="NAME", help="The checkpoint's name, such as chapter5.")
]
Name = Annotated[
    str,
    typer.Argument(
        metavar="NAME",
        help="The checkpoint's name, such as chapter5.",
        autocompletion=completion.checkpoints,
    ),
]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    commands = typer.Typer(
        cls=SuggestingGroup,
        help="Save and restore the state of nodes by name.",
        no_args_is_help=True,
        rich_markup_mode=None,
    )
    commands.command("save")(save)
    commands.command("list")(show)
    commands.command("restore")(restore)
    commands.command("delete")(delete)
    commands.command("export")(export)
    commands.command("import")(import_)
    app.add_typer(commands, name="checkpoint")


def save(context: typer.Context, name: New, limit: Limit = None, as_json: Json = False) -> None:
    """Save disks and memory of nodes under a name."""
    from labctl.lab.actions import checkpoints

    def done(node: str) -> str:
        return _("{node} is saved as {checkpoint}", node=node, checkpoint=name)

    change_nodes(
        context, as_json, limit, lambda lab, nodes: checkpoints.save(lab, name, nodes), done
    )


def restore(
    context: typer.Context,
    name: Name,
    limit: Limit = None,
    yes: Yes = False,
    as_json: Json = False,
) -> None:
    """Restore nodes to a checkpoint, after confirmation. Later changes on them are lost."""
    from labctl.lab.actions import checkpoints

    def done(node: str) -> str:
        return _("{node} is restored to {checkpoint}", node=node, checkpoint=name)

    lab = open_lab(context, lambda event: None, classes=True)
    nodes = ", ".join(lab.select(limit or ()))
    confirm(
        yes,
        msg("this would undo all later changes on {nodes}", nodes=nodes),
        msg("Undo all later changes on {nodes}?", nodes=nodes),
    )
    change_nodes(
        context, as_json, limit, lambda lab, chosen: checkpoints.restore(lab, name, chosen), done
    )


def delete(context: typer.Context, name: Name, limit: Limit = None, as_json: Json = False) -> None:
    """Delete a checkpoint; the nodes are unchanged."""
    from labctl.lab.actions import checkpoints

    def done(node: str) -> str:
        return _("{checkpoint} is deleted from {node}", node=node, checkpoint=name)

    change_nodes(
        context, as_json, limit, lambda lab, nodes: checkpoints.delete(lab, name, nodes), done
    )


def export(
    context: typer.Context,
    name: Name,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The file to write.")],
    limit: Limit = None,
    as_json: Json = False,
) -> None:
    """Write a checkpoint to a file for somebody else.

    The file holds the disks with containers and volumes, without the lab's keys and passwords.
    Each node goes back to the checkpoint meanwhile, and then to where it was.
    """
    from labctl.lab.actions import checkpoint_files

    with_json(context, as_json)
    with sink(context) as emit:
        made = checkpoint_files.export(open_lab(context, emit), name, file, limit or ())
    if context.obj.as_json:
        data = {"path": str(made.path), "bytes": made.size, "sha256": made.sha256}
        say_json({"event": "exported", "checkpoint": name, "nodes": [*made.nodes], **data})
        return
    megabytes = made.size // 1_000_000
    say(_("wrote {checkpoint} to {path}, {size} MB", checkpoint=name, path=file, size=megabytes))
    say(_("SHA-256, for the receiver to compare: {digest}", digest=made.sha256))


def import_(
    context: typer.Context,
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="A file that `checkpoint export` wrote.")
    ],
    sha256: Annotated[
        str,
        typer.Option(metavar="DIGEST", help="The file's SHA-256, to compare.", show_default=False),
    ] = "",
    as_json: Json = False,
) -> None:
    """Make a box of each node in a file that somebody exported.

    The output is what to write into lab.yaml, so that new nodes start from these boxes.
    """
    from labctl.lab.actions import checkpoint_files

    with_json(context, as_json)
    with sink(context) as emit:
        about, boxes = checkpoint_files.import_(open_lab(context, emit), file, sha256)
    if context.obj.as_json:
        named = {node: {"name": box.name, "version": box.version} for node, box in boxes.items()}
        say_json({"event": "imported", "checkpoint": about.checkpoint, "boxes": named})
        return
    say(_("imported {checkpoint}; in lab.yaml, its nodes are", checkpoint=about.checkpoint))
    say("nodes:")
    for node, box in boxes.items():
        say(f"  - name: {node}\n    box: {box.name}")


def show(context: typer.Context, limit: Limit = None, as_json: Json = False) -> None:
    """List the checkpoints of each node, with the time at which they were saved."""

    from labctl.cli.output.errors import as_json as as_dict
    from labctl.cli.output.grouping import print_grouped
    from labctl.cli.output.table import print_table
    from labctl.cli.output.tables import failed
    from labctl.lab.actions import checkpoints

    with_json(context, as_json)
    with sink(context) as emit:
        results = checkpoints.listed(open_lab(context, emit), limit or ())
    if context.obj.as_json:
        for result in results:
            found = result.value or []
            data = {
                "event": "checkpoints",
                "node": result.node,
                "checkpoints": [one.name for one in found],
                "saved": {one.name: one.saved for one in found},
            }
            error = {"error": as_dict(result.error)} if result.error else {}
            say_json(data | error)
    else:
        rows = [
            [result.node, one.name, _time(one.saved)]
            for result in results
            for one in result.value or []
        ]
        if rows:
            print_table([_("node"), _("checkpoint"), _("saved")], rows)
        elif all(result.ok for result in results):
            say(_("no checkpoints; `labctl checkpoint save NAME` saves one"))
        print_grouped(failed(results), err=True)
    codes = [result.error.exit_code for result in results if result.error]
    if codes:
        raise typer.Exit(max(codes))


def _time(saved: float | None) -> str:
    import datetime

    if saved is None:
        return "-"
    return f"{datetime.datetime.fromtimestamp(saved).astimezone():%Y-%m-%d %H:%M}"
