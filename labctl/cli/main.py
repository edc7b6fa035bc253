"""The `labctl` command: which commands are loaded, and the one place where errors are rendered.

Only the command that is asked for is imported and set up, and what costs time to import (pydantic,
Fabric, Jinja, rich) is imported inside the functions that use it.
"""

from __future__ import annotations

import atexit
import gc
import importlib
import sys
from collections.abc import Iterable, Sequence
from typing import Any

import typer

from labctl import __version__
from labctl.cli.context import PANELS, Globals, GroupedCommands, interrupted, with_globals
from labctl.cli.errors import render_error, render_usage
from labctl.cli.language import activate, catalogue
from labctl.cli.values import spare
from labctl.errors import LabctlError

COMMANDS = tuple(name for names in PANELS.values() for name in names)
"""The names of all commands. Each is registered by the module of its name."""

_KNOW_NO_LAB = ("init", "schema")


def build(names: Iterable[str] = COMMANDS) -> typer.Typer:
    """Return the command line, with these commands."""
    app = typer.Typer(
        name="labctl",
        cls=GroupedCommands,
        help=(
            "Vagrant lab clusters for a Docker course: brings machines up, provisions them, and"
            " proves that they work.\n\nBegin with `labctl up --nodes 2`; `labctl COMMAND --help`"
            " tells more."
        ),
        no_args_is_help=True,
        # Plain help needs no rich, whose import takes longer than all of labctl's own.
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    )
    app.callback()(_globals)
    for name in names:
        importlib.import_module(f"labctl.cli.{name.replace('-', '_')}").register(app)
    groups = (group.typer_instance for group in app.registered_groups)
    below = [info for group in groups if group for info in group.registered_commands]
    for info in (*app.registered_commands, *below):
        if info.callback is not None and info.name not in _KNOW_NO_LAB:
            info.callback = with_globals(info.callback)
    return app


def asked(arguments: Sequence[str]) -> Sequence[str]:
    """Return which commands a command line needs: the one that it names, or none for the version.

    Where that is unclear, as with a wrong option, all.

    Parameters:
        arguments: what stands behind ``labctl``.
    """
    words = iter(arguments)
    for word in words:
        if word in ("-C", "--lab"):
            next(words, None)
        elif word in COMMANDS:
            return (word,)
        elif word == "--version":
            return ()
        elif word not in ("--json", "-v", "--verbose") and not word.startswith("--lab="):
            break
    return COMMANDS


def _version(asked: bool) -> None:
    if asked:
        typer.echo(f"labctl {__version__}")
        raise typer.Exit


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
    options: Globals = context.obj
    options.lab, options.as_json, options.verbose = lab, as_json, verbose


WrongUsage: type[Exception] = next(
    kind for kind in typer.BadParameter.__mro__ if kind.__name__ == "ClickException"
)
"""What a wrong command line raises; Typer has a click of its own by now, or uses the library."""


_COLLECT_AFTER = 50_000
"""New objects after which Python looks for cycles; by default 700, and the imports of one command
make some ninety thousand, all of which stay."""


def main() -> None:
    """Run labctl and end the process with its exit code."""
    gc.set_threshold(_COLLECT_AFTER)
    # At the end Python would look for cycles in everything once more, for a tenth of the time that
    # a command takes: the system takes the memory back as it is.
    atexit.register(gc.freeze)
    early = Globals.peek(sys.argv[1:])
    options = Globals(as_json=early.as_json, verbose=early.verbose)
    activate()
    spare()
    messages = catalogue()
    command: Any = typer.main.get_command(build(asked(sys.argv[1:])))
    if messages is not None:
        from labctl.cli.translated import rewrite

        rewrite(command, messages)
    try:
        code = command(obj=options, standalone_mode=False)
    except LabctlError as error:
        render_error(error, options)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        end = interrupted()
        render_error(end, options)
        sys.exit(end.exit_code)
    except WrongUsage as error:
        sys.exit(render_usage(error, early))
    sys.exit(code if isinstance(code, int) else 0)


if __name__ == "__main__":
    main()
