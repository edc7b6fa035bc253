"""`labctl verify`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from labctl.cli.context import AskSudo, Json, Limit, ask_password, open_lab, sink, with_json
from labctl.cli.provisioning import Only, finish, names


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("verify")(verify)


def verify(
    context: typer.Context,
    only: Only = None,
    limit: Limit = None,
    junit: Annotated[
        Path | None, typer.Option("--junit", metavar="FILE", help="Write the result as JUnit XML.")
    ] = None,
    ask_sudo_password: AskSudo = False,
    as_json: Json = False,
) -> None:
    """Run the checks of every playbook on every node.

    The checks use the node as a student would: containers run, images are pulled, names resolve.
    """
    from labctl import operations
    from labctl.report import junit as junit_xml
    from labctl.state import write

    with_json(context, as_json)
    password = ask_password(ask_sudo_password)
    with sink(context) as emit:
        lab = open_lab(context, emit, sudo_password=password)
        results = operations.verify(lab, limit or (), names(only))
    if junit is not None:
        write(junit, junit_xml([r.value.report for r in results if r.value and r.value.report]))
    finish(context, lab, results)
