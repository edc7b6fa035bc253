"""The `labctl` command: the list of commands, and the one place where errors are rendered.

A command's module is imported with it, its libraries are not: what costs time to import (pydantic,
Fabric, Jinja, rich) is imported inside the functions that use it, so that `--help` stays quick.
"""

from __future__ import annotations

import sys

import typer

from labctl import __version__
from labctl.cli import (
    checkpoint,
    destroy,
    doctor,
    exec,
    halt,
    heal,
    init,
    provision,
    rehearse,
    reload,
    render,
    resume,
    schema,
    scp,
    ssh,
    ssh_config,
    status,
    suspend,
    sync,
    up,
    verify,
)
from labctl.cli.context import Globals, GroupedCommands
from labctl.cli.errors import render_error
from labctl.errors import Interrupted, LabctlError

app = typer.Typer(
    name="labctl",
    cls=GroupedCommands,
    help=(
        "Vagrant lab clusters for a Docker course: brings machines up, provisions them, and proves"
        " that they work.\n\nBegin with `labctl up --nodes 2`; `labctl COMMAND --help` tells more."
    ),
    no_args_is_help=True,
    # Plain help needs no rich, whose import takes longer than all of labctl's own.
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)

for command in (
    init,
    up,
    provision,
    verify,
    rehearse,
    status,
    heal,
    halt,
    reload,
    suspend,
    resume,
    checkpoint,
    destroy,
    ssh,
    exec,
    scp,
    sync,
    ssh_config,
    doctor,
    render,
    schema,
):
    command.register(app)


def _version(asked: bool) -> None:
    if asked:
        typer.echo(f"labctl {__version__}")
        raise typer.Exit


@app.callback()
def _globals(
    context: typer.Context,
    lab: str = typer.Option(
        None,
        "--lab",
        "-C",
        envvar="LABCTL_LAB",
        metavar="PATH",
        help="Folder of the lab, or its lab.yaml; default: the nearest at or above this folder.",
    ),
    as_json: bool = typer.Option(False, "--json", help="Print JSON lines instead of text."),
    verbose: bool = typer.Option(
        False, "--verbose", "-v", help="Show every event, and a traceback with an error."
    ),
    version: bool = typer.Option(
        False, "--version", callback=_version, is_eager=True, help="Print the version."
    ),
) -> None:
    context.obj = Globals(lab=lab, as_json=as_json, verbose=verbose)


def main() -> None:
    """Run labctl and end the process with its exit code."""
    options = Globals.peek(sys.argv[1:])
    try:
        app()
    except LabctlError as error:
        render_error(error, options)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        interrupted = Interrupted("interrupted", hint="the same command goes on from there")
        render_error(interrupted, options)
        sys.exit(interrupted.exit_code)


if __name__ == "__main__":
    main()
