"""`labctl ssh-config`."""

from __future__ import annotations

from typing import Annotated

import typer

from labctl.cli.context import Limit, open_lab, sink


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("ssh-config")(ssh_config)


def ssh_config(
    context: typer.Context,
    limit: Limit = None,
    path: Annotated[
        bool, typer.Option("--path", help="Print where the lab's own file is, for ssh -F.")
    ] = False,
) -> None:
    """Print how the nodes are reached, to include in ~/.ssh/config.

    The nodes' recorded host keys are required in it, so ssh, scp, rsync and editors reach a node by
    its name as labctl does.
    """
    with sink(context) as emit:
        lab = open_lab(context, emit)
        targets = [lab.target(name) for name in lab.select(limit or ())]
    if path:
        file = lab.workspace.ssh_config
        typer.echo(file if file.is_file() else lab.write_ssh_config())
        return
    typer.echo("\n".join(target.config(lab.workspace.known_hosts) for target in targets), nl=False)
