"""Properties of terminals, and the one place from which labctl prints.

Any text may contain output of a node. `say` makes it harmless.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from typing import TextIO

import typer

from labctl.messages import printable

__all__ = [
    "DUMB",
    "has_colours",
    "is_terminal",
    "printable",
    "say",
    "say_as_is",
    "say_json",
    "screen_width",
]

DUMB = ("dumb", "unknown")
"""Values of TERM for terminals that can neither redraw a line nor show colours."""


def is_terminal(stream: TextIO | None) -> bool:
    """Return whether a stream of this process is a terminal. A closed stream is not one."""
    return stream is not None and stream.isatty()


def has_colours() -> bool:
    """Return whether the user wants colours, as https://no-color.org and TERM say."""
    return not os.environ.get("NO_COLOR") and os.environ.get("TERM") not in DUMB


def screen_width(stream: TextIO | None = None) -> int | None:
    """Return the columns that output may take; None if it goes to a file or a pipe.

    COLUMNS in the environment wins, as for other programs.
    """
    given = os.environ.get("COLUMNS", "")
    if given.isdigit() and int(given) > 0:
        return int(given)
    if not is_terminal(stream or sys.stdout):
        return None
    return shutil.get_terminal_size().columns


def say(
    text: str = "",
    *,
    fg: str | None = None,
    bold: bool = False,
    dim: bool = False,
    err: bool = False,
    nl: bool = True,
) -> None:
    """Print a text, cleaned; with colours, if there is a terminal and the user wants them."""
    text = printable(text, keep="\n\t")
    if has_colours() and (fg or bold or dim):
        typer.secho(text, fg=fg, bold=bold or None, dim=dim or None, err=err, nl=nl)
    else:
        typer.echo(text, err=err, nl=nl)


def say_json(data: object, *, indent: int | None = None) -> None:
    """Print a value as JSON to stdout: in ASCII, so that no character can do harm."""
    sys.stdout.write(json.dumps(data, indent=indent) + "\n")
    sys.stdout.flush()


def say_as_is(text: str) -> None:
    """Print a file to stdout: of this lab, for programs, and unchanged."""
    sys.stdout.write(text)
    sys.stdout.flush()
