"""What every command gets: the global options, the open lab, and help that is sorted by purpose."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, TextIO, get_type_hints

import typer
from typer.core import TyperGroup

from labctl.cli.language import _
from labctl.errors import Interrupted, LabctlError

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
                with formatter.section(title):  # the formatter translates it
                    formatter.write_dl(rows)

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except (KeyboardInterrupt, typer.Abort):  # at work, and at a question
            raise interrupted() from None


def interrupted() -> LabctlError:
    """Return the error for a Ctrl-C outside the work on nodes."""
    return Interrupted("interrupted", hint="nothing is lost: the same command goes on from there")


def with_globals(function: Callable[..., None]) -> Callable[..., None]:
    """Return a command that takes `--lab` and `--verbose` behind it too.

    Parameters:
        function: the command; its first parameter is the context.
    """
    own = inspect.signature(function)
    hints = get_type_hints(function, include_extras=True)
    parameters = [p.replace(annotation=hints[name]) for name, p in own.parameters.items()]
    for name, hint, default in (("labctl_lab", LabPath, None), ("labctl_verbose", Verbose, False)):
        kind = inspect.Parameter.KEYWORD_ONLY
        parameters.append(inspect.Parameter(name, kind, default=default, annotation=hint))

    @functools.wraps(function)
    def command(
        context: typer.Context, *, labctl_lab: str | None, labctl_verbose: bool, **given: Any
    ) -> None:
        options: Globals = context.obj
        options.lab = labctl_lab or options.lab
        options.verbose = labctl_verbose or options.verbose
        function(context, **given)

    command.__annotations__ = {p.name: p.annotation for p in parameters}
    command.__signature__ = own.replace(parameters=parameters)  # type: ignore[attr-defined]
    return command


LabPath = Annotated[
    str | None,
    typer.Option("--lab", "-C", metavar="PATH", help="Folder of the lab, or its lab.yaml."),
]
Verbose = Annotated[
    bool,
    typer.Option("--verbose", "-v", help="Show every event, and a traceback with an error."),
]


@dataclass(slots=True)
class Globals:
    """The options that stand before the command, or behind it."""

    lab: str | None = None
    as_json: bool = False
    verbose: bool = False

    @classmethod
    def peek(cls, arguments: Sequence[str]) -> Globals:
        """Read how errors are to be shown, for those that come before the options are parsed."""
        ours = list(arguments)
        if "--" in ours:
            del ours[ours.index("--") :]
        return cls(as_json="--json" in ours, verbose="--verbose" in ours or "-v" in ours)


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
    from labctl.lab import Lab
    from labctl.overrides import Override
    from labctl.workspace import Workspace

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


def is_terminal(stream: TextIO | None) -> bool:
    """Tell whether a stream of this process is a terminal; one that was closed is none."""
    return stream is not None and stream.isatty()


def with_json(context: typer.Context, as_json: bool) -> None:
    """Take a `--json` that stands after the command as the one before it."""
    if as_json:
        context.obj.as_json = True


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
