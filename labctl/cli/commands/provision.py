"""`labctl provision`."""

from __future__ import annotations

from typing import Annotated

import typer

from labctl.cli.options import AskSudo, Json, Limit, with_json
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
from labctl.cli.session import ask_password, open_lab, sink


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
    password = ask_password(context, ask_sudo_password, limit)
    with sink(context) as emit:
        allowed = consent(adopt, replace_packages)
        lab = open_lab(context, emit, allowed, sudo_password=password, read_only=check)
        options = ProvisionOptions(
            check=check, only=names(only), extra=names(extra), refresh=refresh, verify=verify
        )
        results = action.provision(lab, limit or (), options)
    finish(context, lab, results, "provision", check=check)
