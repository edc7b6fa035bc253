"""`labctl provision`."""

from __future__ import annotations

from typing import Annotated

import typer

from labctl.cli.options import AskPass, AskSudo, Json, Limit, with_json
from labctl.cli.run_options import (
    Adopt,
    Only,
    Refresh,
    ReplacePackages,
    With,
    consent,
    finish,
    names,
)
from labctl.cli.session import ask_passwords, by_student, open_lab, sink


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("provision")(provision)


def provision(
    context: typer.Context,
    only: Only = None,
    extra: With = None,
    limit: Limit = None,
    check: Annotated[
        bool,
        typer.Option(
            "--check", "--diff", help="Change nothing; show what would change. Exit code 3 if any."
        ),
    ] = False,
    refresh: Refresh = False,
    adopt: Adopt = False,
    replace_packages: ReplacePackages = False,
    verify: Annotated[bool, typer.Option("--verify", help="Run the checks afterwards.")] = False,
    ask_pass: AskPass = False,
    ask_sudo_password: AskSudo = False,
    as_json: Json = False,
) -> None:
    """Install and repair Docker on running nodes.

    Only drift is changed, and every change is verified. A node that fails does not stop the others,
    and the next run resumes.
    """
    from labctl.lab.actions import provision as action
    from labctl.lab.actions.node_run import ProvisionOptions

    with_json(context, as_json)
    passwords = ask_passwords(context, ask_pass, ask_sudo_password, limit)
    with sink(context) as emit:
        allowed = consent(adopt, replace_packages)
        lab = open_lab(context, emit, allowed, passwords=passwords, read_only=check, classes=True)
        options = ProvisionOptions(
            check=check, only=names(only), extra=names(extra), refresh=refresh, verify=verify
        )
        results = by_student(
            lab, limit or (), lambda one, nodes: action.provision(one, nodes, options)
        )
    finish(context, lab, results, "provision", check=check)
