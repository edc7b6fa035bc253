"""`labctl heal`."""

from __future__ import annotations

from typing import Annotated

import typer

from labctl.cli import completion
from labctl.cli.options import AskPass, AskSudo, Json, with_json
from labctl.cli.run_options import finish
from labctl.cli.session import ask_passwords, open_lab, sink


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("heal")(heal)


def heal(
    context: typer.Context,
    node: Annotated[
        str,
        typer.Argument(metavar="NODE", help="The node.", autocompletion=completion.nodes),
    ],
    checkpoint: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="If provisioning does not help, restore this checkpoint.",
            autocompletion=completion.checkpoints,
        ),
    ] = None,
    rebuild: Annotated[
        bool, typer.Option("--rebuild", help="If nothing else helps, recreate the node.")
    ] = False,
    ask_pass: AskPass = False,
    ask_sudo_password: AskSudo = False,
    as_json: Json = False,
) -> None:
    """Repair one node: reprovision, restore or recreate it.

    The node is started if needed, provisioned and verified. If that does not help, and only if you
    allow it, a checkpoint is restored or the node is recreated; later changes on it are lost then.
    """
    from labctl.lab.actions.heal import heal as repair

    with_json(context, as_json)
    passwords = ask_passwords(context, ask_pass, ask_sudo_password, [node])
    with sink(context) as emit:
        lab = open_lab(context, emit, passwords=passwords)
        result = repair(lab, node, checkpoint=checkpoint, rebuild=rebuild)
    finish(context, lab, [result], f"heal {node}")
