"""`labctl render`."""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import Annotated, Any

import typer

from labctl.cli.lab_flags import Cpus, Memory, Nodes, Provider, Toolchain, given
from labctl.cli.options import Json, with_json
from labctl.cli.output.terminal import say, say_as_is, say_json
from labctl.cli.session import open_lab, sink


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("render")(render)


def render(
    context: typer.Context,
    nodes: Nodes = None,
    provider: Provider = None,
    memory: Memory = None,
    cpus: Cpus = None,
    toolchain: Toolchain = None,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="FILE", help="Write it to this file instead."),
    ] = None,
    diff: Annotated[
        bool,
        typer.Option(
            "--diff", help="Show the differences from the one in use; exit code 3 if any."
        ),
    ] = False,
    as_json: Json = False,
) -> None:
    """Print the Vagrantfile that `up` would use."""
    from labctl.cli.output.result_files import put
    from labctl.cli.run_options import CHANGES_FOUND
    from labctl.errors import ProviderMissing
    from labctl.lab.boot import vagrantfile
    from labctl.machines.providers import names
    from labctl.storage import read_again

    with_json(context, as_json)
    with sink(context) as emit:
        flags = given(nodes, provider, memory, cpus, toolchain)
        lab = open_lab(context, emit, flags, new=True)
        lab.workspace.expect_own()
        try:
            likely = lab.spec.provider or lab.provider
        except ProviderMissing:
            likely = names()[0]
        text = vagrantfile(lab, likely)
    result: dict[str, Any] = {"event": "vagrantfile", "provider": likely}
    lines: list[str] = []
    if output is not None:
        put(output, text)
        result["path"] = str(output.absolute())
    if diff:
        path = lab.workspace.vagrantfile
        old = read_again(path)
        lines = list(
            difflib.unified_diff(
                old.splitlines(), text.splitlines(), "in use", "rendered now", lineterm=""
            )
        )
        result["diff"] = "\n".join(lines)
    elif output is None:
        result["vagrantfile"] = text
    if context.obj.as_json:
        say_json(result)
    elif diff:
        for line in lines:
            say(line)
    elif output is None:
        say_as_is(text)
    if lines:
        raise typer.Exit(CHANGES_FOUND)
