"""`labctl rehearse`."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from labctl.cli import completion
from labctl.cli.options import AskPass, AskSudo, Json, with_json
from labctl.cli.run_options import AsIf, JUnit, names
from labctl.cli.session import ask_passwords, by_student, open_lab, sink

if TYPE_CHECKING:
    from labctl.checks.exercises.result import Rehearsal
    from labctl.checks.report import NodeReport
    from labctl.lab.lab import Lab
    from labctl.parallel import Result


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("rehearse")(rehearse)


def rehearse(
    context: typer.Context,
    sections: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[SECTION]...",
            help="Sections of the course; default: all.",
            autocompletion=completion.sections,
        ),
    ] = None,
    limit: Annotated[
        list[str] | None,
        typer.Option(
            "--node",
            "--limit",
            "-l",
            metavar="NODES",
            help="Only on these nodes: names or patterns, with commas.",
            autocompletion=completion.nodes,
        ),
    ] = None,
    extra: AsIf = None,
    show: Annotated[
        bool, typer.Option("--list", help="List the sections without rehearsing.")
    ] = False,
    junit: JUnit = None,
    html: Annotated[
        Path | None,
        typer.Option(
            "--html",
            metavar="FILE",
            help="Write the report to this file; default: .labctl/rehearsal.html, and "
            ".labctl/rehearsal-partial.html for some sections or nodes.",
        ),
    ] = None,
    ask_pass: AskPass = False,
    ask_sudo_password: AskSudo = False,
    as_json: Json = False,
) -> None:
    """Perform the course's exercises on the nodes and report which work.

    Exercises remove everything that they create, even after a failure or Ctrl-C, and touch nothing
    else.
    """
    from labctl.checks.junit import junit as junit_xml
    from labctl.cli.output.rehearsal import print_rehearsal, print_sections
    from labctl.cli.output.result_files import expect, put
    from labctl.lab.sections import discover

    with_json(context, as_json)
    expect(junit, html)
    passwords = ask_passwords(context, ask_pass and not show, ask_sudo_password and not show, limit)
    with sink(context) as emit:
        lab = open_lab(context, emit, passwords=passwords, new=show, classes=True)
        if show:
            found = discover(lab, names(extra))
        else:
            rehearsal = _rehearse(lab, limit or (), names(sections), names(extra))
    if show:
        print_sections(context.obj, lab, found)
        return
    from labctl.checks.exercises.html import page

    partial = bool(sections or limit)
    place = html or (lab.workspace.partial_rehearsal if partial else lab.workspace.rehearsal)
    print_rehearsal(context.obj, rehearsal, place.absolute(), partial=partial)
    if junit is not None:
        lost = {r.node: r.error.message for r in rehearsal.results if r.error}
        put(junit, junit_xml(rehearsal.reports, lost))
    put(place, page(rehearsal, lab.workspace.templates))
    if not rehearsal.ok:
        errors = [result.error.exit_code for result in rehearsal.results if result.error]
        raise typer.Exit(max(errors, default=1))


def _rehearse(
    lab: Lab, limit: Iterable[str], sections: tuple[str, ...], extra: tuple[str, ...]
) -> Rehearsal:
    """Rehearse on a lab, or on the labs of a class."""
    from dataclasses import replace

    from labctl.lab.actions.rehearse import rehearse as run

    found: list[Rehearsal] = []

    def work(one: Lab, nodes: Iterable[str]) -> tuple[Result[NodeReport], ...]:
        found.append(run(one, nodes, sections, extra))
        return found[-1].results

    results = tuple(by_student(lab, limit, work))
    if not found:
        raise next(result.error for result in results if result.error)
    began = min(one.began for one in found)
    ended = max(one.began + one.seconds for one in found)
    return replace(found[0], lab=lab.name, results=results, began=began, seconds=ended - began)
