"""Help without Python's types: plain names of arguments, and examples."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from labctl.cli.examples import EXAMPLES
from labctl.cli.i18n.locale import _


def dress(command: Any, words: str = "") -> None:
    """Give a command of Typer's, and those below it, plain arguments and examples.

    Parameters:
        command: as Typer built it.
        words: how the user calls it, without ``labctl``.
    """
    for parameter in command.params:
        if parameter.param_type_name == "argument":
            _plain(parameter)
    if words in EXAMPLES:
        command.format_epilog = _examples(EXAMPLES[words])
    for name, below in getattr(command, "commands", {}).items():
        dress(below, f"{words} {name}".strip())


def _plain(argument: Any) -> None:
    """Show an argument by its metavar alone, which shows if it is optional or repeatable."""
    shown = argument.metavar
    record: Callable[[Any], tuple[str, str] | None] = argument.get_help_record

    def help_record(context: Any) -> tuple[str, str] | None:
        found = record(context)
        return found and (shown, found[1].removesuffix("  [required]"))

    argument.get_usage_pieces = lambda context: [shown]
    argument.get_help_record = help_record


def _examples(rows: tuple[tuple[str, str], ...]) -> Callable[[Any, Any], None]:
    def write(context: Any, formatter: Any) -> None:
        with formatter.section(_("Examples")):
            formatter.write_dl([(line, _(meaning)) for line, meaning in rows], col_max=44)

    return write
