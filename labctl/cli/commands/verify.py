"""`labctl verify`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated

import typer

from labctl.cli.options import AskPass, AskSudo, Json, Limit, with_json
from labctl.cli.run_options import AsIf, JUnit, Only, finish, names
from labctl.cli.session import ask_passwords, by_student, open_lab, sink

if TYPE_CHECKING:
    from labctl.lab.actions.node_run import NodeRun
    from labctl.lab.lab import Lab
    from labctl.parallel import Result


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
    ask_pass: AskPass = False,
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
    passwords = ask_passwords(context, ask_pass, ask_sudo_password, limit)
    with sink(context) as emit:
        lab = open_lab(context, emit, passwords=passwords, classes=True)

        def work(one: Lab, nodes: Iterable[str]) -> list[Result[NodeRun]]:
            results = action.verify(one, nodes, names(only), names(extra))
            return action.fix(one, results, names(only), names(extra)) if fix else results

        results = by_student(lab, limit or (), work)
    if junit is not None:
        reports = [r.value.report for r in results if r.value and r.value.report]
        lost = {r.node: r.error.message for r in results if r.error}
        put(junit, junit_xml(reports, lost))
    finish(context, lab, results, "verify --fix" if fix else "verify")
