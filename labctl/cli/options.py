"""Options that several commands have."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Protocol, get_type_hints

import typer

from labctl.cli import completion

if TYPE_CHECKING:
    from labctl.errors import LabctlError


class Log(Protocol):
    """The log of a run; `labctl.cli.output.run_log` has it."""

    def error(self, error: LabctlError) -> None: ...

    def close(self) -> None: ...


def with_globals(function: Callable[..., None]) -> Callable[..., None]:
    """Return a command that also accepts `--lab` and `--verbose` after its name.

    Parameters:
        function: the command; its first parameter is the context.
    """
    own = inspect.signature(function)
    hints = get_type_hints(function, include_extras=True)
    parameters = [p.replace(annotation=hints[name]) for name, p in own.parameters.items()]
    added: tuple[tuple[str, Any, Any], ...] = (
        ("labctl_lab", LabPath, None),
        ("labctl_student", Students, None),
        ("labctl_verbose", Verbose, False),
    )
    for name, hint, default in added:
        kind = inspect.Parameter.KEYWORD_ONLY
        parameters.append(inspect.Parameter(name, kind, default=default, annotation=hint))

    @functools.wraps(function)
    def command(
        context: typer.Context,
        *,
        labctl_lab: str | None,
        labctl_student: list[str] | None,
        labctl_verbose: bool,
        **given: Any,
    ) -> None:
        options: Globals = context.obj
        options.students = labctl_student or options.students
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


Students = Annotated[
    list[str] | None,
    typer.Option(
        "--student",
        metavar="STUDENTS",
        help="In a class: only these students, by id, name or pattern, with commas.",
        autocompletion=completion.students,
    ),
]


Verbose = Annotated[
    bool,
    typer.Option("--verbose", "-v", help="Show every event, and a traceback with an error."),
]


@dataclass(slots=True)
class Globals:
    """The options before or after the command's name, and the log of this run."""

    lab: str | None = None
    as_json: bool = False
    verbose: bool = False
    log: Log | None = None
    students: list[str] | None = None

    @classmethod
    def peek(cls, arguments: Sequence[str]) -> Globals:
        """Read how errors are to be shown, for those that come before the options are parsed."""
        ours = list(arguments)
        if "--" in ours:
            del ours[ours.index("--") :]
        return cls(as_json="--json" in ours, verbose="--verbose" in ours or "-v" in ours)


def with_json(context: typer.Context, as_json: bool) -> None:
    """Apply a `--json` after the command's name like one before it."""
    if as_json:
        context.obj.as_json = True


Limit = Annotated[
    list[str] | None,
    typer.Option(
        "--limit",
        "-l",
        metavar="NODES",
        help="Only these nodes: names or patterns, with commas.",
        autocompletion=completion.nodes,
    ),
]


NodeNames = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[NODE]...",
        help="Names or patterns; default: all.",
        autocompletion=completion.nodes,
    ),
]


Yes = Annotated[bool, typer.Option("--yes", "-y", help="Skip confirmation.")]


Json = Annotated[bool, typer.Option("--json", help="Print JSON lines instead of text.")]


AskPass = Annotated[
    bool,
    typer.Option("--ask-pass", "-k", help="Ask for the ssh password of hosts that accept no key."),
]


AskSudo = Annotated[
    bool,
    typer.Option("--ask-sudo-password", "-K", help="Ask for the login user's sudo password."),
]
