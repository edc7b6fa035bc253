"""`labctl ssh-config`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

from labctl.cli.options import Json, Limit, with_json
from labctl.cli.output.terminal import say, say_as_is, say_json
from labctl.cli.session import open_lab, sink

if TYPE_CHECKING:
    from pathlib import Path

    from labctl.remote.target import Target


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("ssh-config")(ssh_config)


def ssh_config(
    context: typer.Context,
    limit: Limit = None,
    path: Annotated[
        bool, typer.Option("--path", help="Print the path of the lab's own file, for ssh -F.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Print ssh settings of the nodes for ~/.ssh/config.

    The settings require the recorded host keys, so ssh, scp, rsync and editors reach a node by name
    as labctl does.
    """
    from labctl.remote.target import ssh_config as entries

    with_json(context, as_json)
    with sink(context) as emit:
        lab = open_lab(context, emit)
        targets = [lab.target(name) for name in lab.select(limit or ())]
    if path:
        file = lab.workspace.ssh_config
        file = file if file.is_file() else lab.write_ssh_config()
        result = {"event": "ssh-config", "path": str(file)}
        say(json.dumps(result) if context.obj.as_json else str(file))
        return
    known_hosts = lab.workspace.known_hosts
    if context.obj.as_json:
        for target in targets:
            say_json(_as_json(target, known_hosts))
        return
    say_as_is(entries(targets, known_hosts))


def _as_json(target: Target, known_hosts: Path) -> dict[str, Any]:
    """Return how to reach a node: as separate values, and as an entry of ssh_config."""
    data = target.as_json()
    del data["existing"]
    return {
        "event": "ssh-config",
        "node": data.pop("name"),
        **data,
        "known_hosts": str(known_hosts),
        "config": target.ssh_config(known_hosts),
    }
