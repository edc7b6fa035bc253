"""Help in another language: translated texts, laid out by the width of their characters.

It is not imported in English. Typer builds its commands for every run, so they can be changed here.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import typer

from labctl.cli.i18n.locale import _
from labctl.cli.output.text_width import fill, ljust, width
from labctl.messages import msg

_TYPER = (
    msg("[OPTIONS]"),
    msg("COMMAND [ARGS]..."),
    msg("Arguments"),
    msg("Options"),
    msg("Commands"),
    msg("Show this message and exit."),
    msg("Install completion for the current shell."),
    msg("Show completion for the current shell, to copy it or customize the installation."),
    msg("default: {default}"),
    msg("env var: {var}"),
    msg("required"),
    msg("No such command {name}. Did you mean {others}?"),
    msg("No such command {name}."),
    msg("No such option: {name} (Possible options: {others})"),
    msg("No such option: {name}"),
    msg("Missing argument {name}."),
    msg("Missing option {name}."),
    msg("Missing command."),
    msg("Option {name} requires an argument."),
    msg("Option {name} does not take a value."),
    msg("Got unexpected extra argument(s) ({arguments})"),
    msg("Got unexpected extra argument ({arguments})"),
    msg("Got unexpected extra arguments ({arguments})"),
    msg("Invalid value for {name}: {reason}"),
    msg("Input should be a valid integer, unable to parse string as an integer"),
    msg("Input should be a valid number, unable to parse string as a number"),
    msg("{value} is not a valid integer."),
)
"""Texts of Typer's own; it formats them before labctl can see them."""


def translate(command: Any) -> None:
    """Translate a command's help, and that of its parameters and of the commands below it."""
    paragraphs = [" ".join(part.split()) for part in (command.help or "").split("\n\n")]
    command.help = "\n\n".join(map(_, paragraphs))
    # Typer ends the short help at a full stop; Chinese has another one.
    command.short_help = _(paragraphs[0]).partition("。")[0].removesuffix(".")
    command.context_class = _Context
    for owner, name in [(p, "help") for p in command.params] + [
        (command, "options_metavar"),
        (command, "subcommand_metavar"),
    ]:
        if text := getattr(owner, name, None):
            setattr(owner, name, _(text))
    for below in getattr(command, "commands", {}).values():
        translate(below)


def typers(text: str) -> str:
    """Return the translation of a text that Typer formatted."""
    for template in _TYPER:
        pattern = re.sub(r"\\\{(\w+)\\\}", r"(?P<\1>.+)", re.escape(template))
        if found := re.fullmatch(pattern, text, re.DOTALL):
            values = {name: typers(value) for name, value in found.groupdict().items()}
            return _(template, **values) if values else _(template)
    return _(text)


_Base: Any = typer.Context.formatter_class


class _Formatter(_Base):  # type: ignore[misc]
    """Lays help out as Typer does, in columns of the terminal instead of characters."""

    def write_usage(self, prog: str, args: str = "", prefix: str | None = None) -> None:
        first = f"{_('Usage: ')}{prog} "
        self.write(fill(args, self.width, first=first, others=" " * width(first)) + "\n")

    def write_heading(self, heading: str) -> None:
        self.write(f"{' ' * self.current_indent}{_(heading)}{_(':')}\n")

    def write_text(self, text: str) -> None:
        indent = " " * self.current_indent
        parts = (fill(p, self.width, first=indent, others=indent) for p in text.split("\n\n"))
        self.write("\n\n".join(parts) + "\n")

    def write_dl(
        self, rows: Sequence[tuple[str, str]], col_max: int = 30, col_spacing: int = 2
    ) -> None:
        widest = min(max((width(first) for first, _ in rows), default=0), col_max)
        others = " " * (self.current_indent + widest + col_spacing)
        for name, text in rows:
            first = " " * self.current_indent + name
            if text and width(name) > widest:
                self.write(first + "\n")
                first = ""
            if text:
                first = fill(
                    _noted(text), self.width, first=ljust(first, len(others)), others=others
                )
            self.write(first + "\n")


class _Context(typer.Context):
    formatter_class: Any = _Formatter


def _noted(text: str) -> str:
    """Translate the notes that Typer adds to a help text in brackets."""
    body, bracket, notes = text.partition("  [")
    if not bracket or not notes.endswith("]"):
        return _(text)
    return f"{_(body)}  [{_('; ').join(map(typers, notes[:-1].split('; ')))}]"
