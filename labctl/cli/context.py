"""What every command gets: the global options, the open lab, and help that is sorted by purpose."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

if TYPE_CHECKING:
    from labctl.cli.sinks import Sink
    from labctl.lab import Lab

PANELS: dict[str, tuple[str, ...]] = {
    "The lab": ("init", "up", "provision", "verify", "rehearse", "status", "heal"),
    "Its machines": ("halt", "reload", "suspend", "resume", "checkpoint", "destroy"),
    "Its nodes": ("ssh", "exec", "scp", "sync", "ssh-config"),
    "Looking closer": ("render", "doctor", "schema"),
}
"""Headings of `labctl --help`, and the commands under each, in the order of use."""


class GroupedCommands(TyperGroup):
    """Lists commands under headings instead of in one row of the alphabet."""

    def list_commands(self, ctx: Any) -> list[str]:
        named = [name for names in PANELS.values() for name in names if name in self.commands]
        return [*named, *(name for name in super().list_commands(ctx) if name not in named)]

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        for title, names in PANELS.items():
            commands = [(name, self.get_command(ctx, name)) for name in names]
            rows = [(name, c.get_short_help_str(limit=88)) for name, c in commands if c]
            if rows:
                with formatter.section(title):
                    formatter.write_dl(rows)


@dataclass(frozen=True, slots=True)
class Globals:
    """The options that stand before the command."""

    lab: str | None = None
    as_json: bool = False
    verbose: bool = False

    @classmethod
    def peek(cls, arguments: Sequence[str]) -> Globals:
        """Read how errors are to be shown, for those that come before the options are parsed."""
        before: list[str] = []
        for argument in arguments:
            if not argument.startswith("-") and (not before or before[-1] not in ("--lab", "-C")):
                break
            before.append(argument)
        return cls(as_json="--json" in arguments, verbose="--verbose" in before or "-v" in before)


def sink(context: typer.Context) -> AbstractContextManager[Sink]:
    """Return what shows the events of this run."""
    from labctl.cli.sinks import choose

    options: Globals = context.obj
    return choose(as_json=options.as_json, verbose=options.verbose)


def open_lab(
    context: typer.Context,
    emit: Callable[[Any], None],
    flags: Mapping[str, tuple[object, str]] | None = None,
    *,
    ask_sudo_password: bool = False,
) -> Lab:
    """Open the lab that the global options name.

    Parameters:
        context: of the command.
        emit: takes the events.
        flags: by key of lab.yaml, (value, flag); values of None were not given.
        ask_sudo_password: ask for it once, before anything is done.

    Raises:
        LabctlError: lab.yaml or a flag cannot be used.
    """
    from labctl.lab import Lab
    from labctl.specfile import Override
    from labctl.workspace import Workspace

    options: Globals = context.obj
    given = {
        key: Override(value, flag)
        for key, (value, flag) in (flags or {}).items()
        if value is not None
    }
    password = typer.prompt("sudo password", hide_input=True) if ask_sudo_password else None
    return Lab.open(Workspace.find(options.lab), given, emit=emit, sudo_password=password)


def with_json(context: typer.Context, as_json: bool) -> None:
    """Take a `--json` that stands after the command as the one before it."""
    if as_json:
        options: Globals = context.obj
        context.obj = Globals(options.lab, True, options.verbose)


Limit = Annotated[
    list[str] | None,
    typer.Option(
        "--limit", "-l", metavar="NODES", help="Only these nodes: names or patterns, with commas."
    ),
]
NodeNames = Annotated[
    list[str] | None, typer.Argument(metavar="[NODE]...", help="Names or patterns; default: all.")
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON lines instead of text.")]
AskSudo = Annotated[
    bool,
    typer.Option("--ask-sudo-password", "-K", help="Ask for the login user's sudo password."),
]
