"""What every command gets: the global options, the open lab, and help that is sorted by purpose."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

import typer

from labctl.cli.i18n.locale import _
from labctl.cli.options import Globals

if TYPE_CHECKING:
    from labctl.events import Emit
    from labctl.lab.lab import Lab


def sink(context: typer.Context) -> AbstractContextManager[Emit]:
    """Return what shows the events of this run."""
    from labctl.cli.output import sinks

    options: Globals = context.obj
    return sinks.sink(as_json=options.as_json, verbose=options.verbose)


def open_lab(
    context: typer.Context,
    emit: Callable[[Any], None],
    flags: Mapping[str, tuple[object, str]] | None = None,
    *,
    sudo_password: str | None = None,
) -> Lab:
    """Open the lab that the global options name.

    Parameters:
        context: of the command.
        emit: takes the events.
        flags: by key of lab.yaml, (value, flag); values of None were not given.
        sudo_password: for a login user who needs one.

    Raises:
        LabctlError: lab.yaml or a flag cannot be used.
    """
    from labctl.config.overrides import Override
    from labctl.lab.lab import Lab
    from labctl.lab.workspace import Workspace

    options: Globals = context.obj
    given = {
        key: Override(value, flag)
        for key, (value, flag) in (flags or {}).items()
        if value is not None
    }
    return Lab.open(Workspace.find(options.lab), given, emit=emit, sudo_password=sudo_password)


def ask_password(ask: bool) -> str | None:
    """Ask for the sudo password if `ask`, else return None.

    Before a live table is opened, which would draw over the question.
    """
    return str(typer.prompt(_("sudo password"), hide_input=True, err=True)) if ask else None
