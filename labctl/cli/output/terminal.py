"""Properties of terminals, and text that is safe for them."""

from __future__ import annotations

from typing import TextIO


def is_terminal(stream: TextIO | None) -> bool:
    """Return whether a stream of this process is a terminal. A closed stream is not one."""
    return stream is not None and stream.isatty()


def printable(text: str) -> str:
    """Return text from a node without control characters."""
    return "".join(c if c.isprintable() or c == "\t" else "\N{REPLACEMENT CHARACTER}" for c in text)
