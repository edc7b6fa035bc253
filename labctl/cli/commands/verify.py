"""`labctl verify`."""

from __future__ import annotations

from typing import Annotated

import typer

from labctl.cli.options import AskSudo, Json, Limit, with_json
from labctl.cli.run_options import AsIf, JUnit, Only, finish, names
from labctl.cli.session import ask_password, open_lab, sink


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("verify")(verify)


def verify(
    context: typer.Context,
    only: Only = None,
    extra: AsIf = None,
    limit: Limit = None,
    fix: Annotated[
        bool, typer.Option("--fix", help="Provision nodes with failed checks, then check again.")
    ] = False,
    junit: JUnit = None,
    ask_sudo_password: AskSudo = False,
    as_json: Json = False,
) -> None:
    """Run the checks of every playbook on every node.

    The checks use the node as a student would: containers run, images are pulled, names resolve.
    """
    from labctl.checks.junit import junit as junit_xml
    from labctl.cli.output.result_files import expect, put
    from labctl.lab.actions import verify as action

    with_json(context, as_json)
    expect(junit)
    password = ask_password(context, ask_sudo_password, limit)
    with sink(context) as emit:
        lab = open_lab(context, emit, sudo_password=password)
        results = action.verify(lab, limit or (), names(only), names(extra))
        if fix:
            results = action.fix(lab, results, names(only), names(extra))
    if junit is not None:
        reports = [r.value.report for r in results if r.value and r.value.report]
        lost = {r.node: r.error.message for r in results if r.error}
        put(junit, junit_xml(reports, lost))
    finish(context, lab, results, "verify --fix" if fix else "verify")
