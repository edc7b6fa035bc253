"""`labctl bake`."""

from __future__ import annotations

from typing import Annotated

import typer

from labctl.cli import completion
from labctl.cli.i18n.locale import _
from labctl.cli.options import Json, with_json
from labctl.cli.output.terminal import say, say_json
from labctl.cli.session import open_lab, sink


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("bake")(bake)


def bake(
    context: typer.Context,
    node: Annotated[
        str | None,
        typer.Argument(
            metavar="[NODE]",
            help="The node. Default: the first one.",
            show_default=False,
            autocompletion=completion.nodes,
        ),
    ] = None,
    name: Annotated[
        str | None,
        typer.Option("--as", metavar="NAME", help="The box's name. Default: the lab's, -baked."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Make a Vagrant box of a node, for labs that start provisioned.

    The node is brought up and provisioned if needed, and gets the images of lab.yaml and of the
    course. It is off while its disk is copied. The box is made of the copy, without keys,
    passwords, containers, volumes and logs. Write `box: NAME` into lab.yaml to use it.
    """
    from labctl.lab.actions.bake import bake as make

    with_json(context, as_json)
    with sink(context) as emit:
        baked = make(open_lab(context, emit), node, name)
    box = baked.box
    if context.obj.as_json:
        data = {"name": box.name, "version": box.version, "provider": box.provider}
        say_json({"event": "baked", **data, "digest": baked.digest, "bytes": baked.size})
        return
    megabytes = baked.size // 1_000_000
    say(
        _(
            "baked the box {name} {version}, {size} MB",
            name=box.name,
            version=box.version,
            size=megabytes,
        )
    )
    say(_("to use it, write `box: {name}` into lab.yaml", name=box.name))
