"""`labctl version` and `labctl help`."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from labctl import __version__
from labctl.cli.options import Json, with_json
from labctl.cli.output.terminal import say, say_json


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command("version")(version)
    app.command("help")(help_)


def version(context: typer.Context, as_json: Json = False) -> None:
    """Print the version."""
    with_json(context, as_json)
    if context.obj.as_json:
        say_json({"event": "version", "version": __version__})
    else:
        say(f"labctl {__version__}")


def help_(
    context: typer.Context,
    words: Annotated[
        list[str] | None,
        typer.Argument(metavar="[COMMAND]...", help="A command, such as: checkpoint save."),
    ] = None,
) -> None:
    """Show the help of a command."""
    at: Any = context.parent
    assert at is not None
    for word in words or []:
        if not hasattr(at.command, "resolve_command"):
            break
        name, command, _rest = at.command.resolve_command(at, [word])
        at = typer.Context(command, info_name=name, parent=at)
    say(at.get_help())
