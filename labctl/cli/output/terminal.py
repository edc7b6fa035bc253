"""What may be written to a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    pass


def is_terminal(stream: TextIO | None) -> bool:
    """Tell whether a stream of this process is a terminal; one that was closed is none."""
    return stream is not None and stream.isatty()


def printable(text: str) -> str:
    """Return text of a node without what would steer the terminal."""
    return "".join(c if c.isprintable() or c == "\t" else "\N{REPLACEMENT CHARACTER}" for c in text)
