"""Options and the ending that `up`, `provision`, `verify` and `rehearse` share."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from labctl.cli import completion
from labctl.cli.lab_flags import Flags

if TYPE_CHECKING:
    from labctl.lab.actions.node_run import NodeRun
    from labctl.lab.lab import Lab
    from labctl.parallel import Result

Only = Annotated[
    list[str] | None,
    typer.Option(
        "--only",
        metavar="PLAYBOOK",
        help="Run only these playbooks; may be repeated.",
        autocompletion=completion.playbooks,
    ),
]
With = Annotated[
    list[str] | None,
    typer.Option(
        "--with",
        metavar="PLAYBOOK",
        help="Also run this playbook.",
        autocompletion=completion.further_playbooks,
    ),
]
AsIf = Annotated[
    list[str] | None,
    typer.Option(
        "--with",
        metavar="PLAYBOOK",
        help="Also include this playbook.",
        autocompletion=completion.further_playbooks,
    ),
]
JUnit = Annotated[
    Path | None, typer.Option("--junit", metavar="FILE", help="Write the result as JUnit XML.")
]
Refresh = Annotated[
    bool,
    typer.Option("--refresh", help="Measure again which mirrors answer and which names resolve."),
]

Adopt = Annotated[
    bool,
    typer.Option("--adopt", help="Replace settings of a Docker engine that is already there."),
]
ReplacePackages = Annotated[
    bool,
    typer.Option("--replace-packages", help="Remove packages that conflict with docker-ce."),
]

Without = Annotated[
    list[str] | None,
    typer.Option(
        "--without", metavar="HOST", help="In a class: leave this host out; may be repeated."
    ),
]
Overcommit = Annotated[
    bool,
    typer.Option(
        "--overcommit", help="In a class: place more machines on hosts than they have memory for."
    ),
]

CHANGES_FOUND = 3
"""Exit code of a `--check` that found something to change."""


def finish(
    context: typer.Context,
    lab: Lab,
    results: list[Result[NodeRun]],
    command: str,
    *,
    check: bool = False,
) -> None:
    """Print the final table and exit with the code for the results.

    Raises:
        typer.Exit: something failed (1), or `check` found changes (3).
    """
    from labctl.cli.output.tables import print_summary

    for result in results:
        if result.error and context.obj.log is not None:
            context.obj.log.error(result.error)
    if lab.is_class:
        from labctl.cli.output.students import print_class_summary

        print_class_summary(context.obj, lab, results, command=command, check=check)
    else:
        print_summary(context.obj, lab, results, command=command, check=check)
    failed = [
        r for r in results if r.error or (r.value and r.value.report and r.value.report.failed)
    ]
    if failed:
        raise typer.Exit(max((r.error.exit_code if r.error else 1) for r in failed))
    if check and any(r.value and r.value.outcome and r.value.outcome.changes for r in results):
        raise typer.Exit(CHANGES_FOUND)


def consent(adopt: bool, replace_packages: bool) -> Flags:
    """Return the flags by which the user allows what labctl refuses by default; none is stored."""
    values = {
        "docker.adopt": (adopt, "--adopt"),
        "docker.replace_packages": (replace_packages, "--replace-packages"),
    }
    return {key: value for key, value in values.items() if value[0]}


def names(values: list[str] | None) -> tuple[str, ...]:
    """Return the names in an option that may be repeated and may contain commas."""
    return tuple(part for value in values or () for part in value.split(",") if part)
