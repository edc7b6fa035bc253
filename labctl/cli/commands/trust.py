"""`labctl trust`."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from labctl.cli.i18n.locale import _
from labctl.cli.options import Json, with_json
from labctl.cli.output.terminal import is_terminal, say, say_json
from labctl.messages import msg


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("trust")(trust)


def trust(
    context: typer.Context,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Skip confirmation.")] = False,
    as_json: Json = False,
) -> None:
    """Accept a lab's state that was moved or restored.

    labctl uses a state folder only where it made it, because such a folder can name programs that
    labctl then runs. After you moved a lab, or restored its .labctl from a backup, accept it once.
    Never accept a .labctl that came with a folder of somebody else; delete it.
    """
    from labctl.errors import StateError, UsageError
    from labctl.lab import stamp
    from labctl.lab.workspace import Workspace

    with_json(context, as_json)
    state = Workspace.find(context.obj.lab).state
    try:
        exists = state.is_dir()
    except OSError as error:
        raise UsageError(
            msg("{lab} is not accessible: {reason}", lab=state, reason=error.strerror),
            hint="check that it exists and is readable, or choose another with --lab",
        ) from error
    if not exists:
        raise UsageError(msg("{state} does not exist", state=state))
    try:
        stamp.check(state)
        accepted = True
    except StateError:
        accepted = False
    if not accepted:
        if not yes:
            _confirm(state, stamp.origin(state))
        stamp.renew(state)
    if context.obj.as_json:
        say_json({"event": "trust", "state": str(state)})
    else:
        say(_("{state} is accepted", state=state))


def _confirm(state: object, origin: object) -> None:
    """Ask whether to accept a state folder.

    Raises:
        UsageError: nobody can be asked.
        typer.Exit: the user declined.
    """
    from labctl.errors import UsageError

    made = msg("your labctl made it as {origin}", origin=origin)
    if origin is None:
        made = msg("your labctl did not make it on this computer")
    if not is_terminal(sys.stdin):
        raise UsageError(
            msg("{state}: {made}", state=state, made=made),
            hint="pass --yes to accept it; labctl will run programs that it contains",
        )
    say(_("{state}: {made}", state=state, made=made), err=True)
    if not typer.confirm(_("Accept it and run programs that it contains?"), err=True):
        raise typer.Exit(1)
