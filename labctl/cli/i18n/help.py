"""The command line in another language: help, usage and what Typer says about wrong options.

Nothing of it is loaded where English is spoken. Typer makes its commands anew for every run, so
that they can be rewritten here; and what it has no place for (headings, "Usage", the notes behind
an option) is translated by the formatter through which all help goes.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import typer

from labctl.cli.i18n.catalogue import Catalogue
from labctl.cli.i18n.locale import _, catalogue
from labctl.cli.output.text_width import fill, ljust, width

WIDEST = 78
"""Places of a line of help, as in English."""


def rewrite(command: Any, messages: Catalogue) -> None:
    """Translate a command's help, and that of its parameters and of the commands below it."""
    command.help = messages.help(command.help or "")
    # Typer ends the short help at a full stop, and Chinese has another one.
    first = command.help.partition("\n\n")[0].partition("。")[0]
    command.short_help = first.removesuffix(".")
    command.options_metavar = messages.word(command.options_metavar)
    command.context_class = _Context
    for parameter in command.params:
        if getattr(parameter, "help", None):
            parameter.help = messages.word(parameter.help)
    if hasattr(command, "subcommand_metavar"):
        command.subcommand_metavar = messages.word(command.subcommand_metavar)
    for below in getattr(command, "commands", {}).values():
        rewrite(below, messages)


def show(error: Any, messages: Catalogue) -> None:
    """Print what Typer says about a wrong command line; the words are its own, in our language."""
    message = error.format_message()
    context = getattr(error, "ctx", None)
    if context is not None and message == context.get_help():  # no arguments, where some must be
        typer.echo(message, err=True)
        return
    if context is not None:
        typer.echo(context.get_usage(), err=True)
        option = context.help_option_names[0]
        typer.echo(_("Try '{} {}' for help.").format(context.command_path, option), err=True)
        typer.echo(err=True)
    typer.echo(_("Error: ") + messages.sentence(message), err=True)


class Formatter:
    """Lays help out, as click's own formatter does, in places of a terminal."""

    def __init__(self, width: int | None = None, max_width: int | None = None) -> None:
        columns = width or min(shutil.get_terminal_size().columns, max_width or WIDEST + 2) - 2
        self.width = max(columns, 50)
        self.current_indent = 0
        self._parts: list[str] = []
        messages = catalogue()
        assert messages is not None, "English help is laid out by Typer"
        self._messages = messages

    def write(self, string: str) -> None:
        self._parts.append(string)

    def getvalue(self) -> str:
        return "".join(self._parts)

    def indent(self) -> None:
        self.current_indent += 2

    def dedent(self) -> None:
        self.current_indent -= 2

    @contextmanager
    def indentation(self) -> Iterator[None]:
        self.indent()
        try:
            yield
        finally:
            self.dedent()

    @contextmanager
    def section(self, name: str) -> Iterator[None]:
        self.write_paragraph()
        self.write_heading(name)
        with self.indentation():
            yield

    def write_usage(self, prog: str, args: str = "", prefix: str | None = None) -> None:
        first = f"{_(prefix or 'Usage: ')}{prog} "
        self.write(fill(args, self.width, first=first, others=" " * width(first)) + "\n")

    def write_heading(self, heading: str) -> None:
        self.write(f"{' ' * self.current_indent}{_(heading)}{_(':')}\n")

    def write_paragraph(self) -> None:
        if self._parts:
            self.write("\n")

    def write_text(self, text: str) -> None:
        indent = " " * self.current_indent
        paragraphs = [
            fill(part, self.width, first=indent, others=indent) for part in text.split("\n\n")
        ]
        self.write("\n\n".join(paragraphs) + "\n")

    def write_dl(
        self, rows: Sequence[tuple[str, str]], col_max: int = 30, col_spacing: int = 2
    ) -> None:
        widest = min(max((width(first) for first, _ in rows), default=0), col_max)
        others = " " * (self.current_indent + widest + col_spacing)
        for first, second in rows:
            start = " " * self.current_indent + first
            if not second:
                self.write(start + "\n")
                continue
            if width(first) > widest:
                self.write(start + "\n")
                start = others
            start = ljust(start, len(others))
            text = fill(self._noted(second), self.width, first=start, others=others)
            self.write(text + "\n")

    def _noted(self, text: str) -> str:
        """Translate a help text with the notes that Typer puts in brackets behind it."""
        body, bracket, notes = text.partition("  [")
        if not bracket or not notes.endswith("]"):
            return self._messages.word(text)
        found = [self._messages.sentence(note) for note in notes[:-1].split("; ")]
        return f"{self._messages.word(body)}  [{'；'.join(found)}]"


class _Context(typer.Context):
    formatter_class: Any = Formatter
