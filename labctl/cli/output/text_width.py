"""Columns and lines of text in which Chinese characters take two places.

What has no such characters in it comes out as Python's own `ljust` and `textwrap` make it.
"""

from __future__ import annotations

import textwrap
import unicodedata

# What may not begin a line, and what may not end one (GB/T 15834).
_CLOSING = frozenset("，。、；：？！）》」』】”’…%,.;:?!)]}")
_OPENING = frozenset("（《「『【“‘([{")


def width(text: str) -> int:
    """Return how many places of a terminal `text` takes."""
    if text.isascii():
        return len(text)
    return sum(_width(character) for character in text)


def ljust(text: str, columns: int) -> str:
    """Return `text` with blanks behind it up to `columns` places."""
    return text + " " * (columns - width(text))


def fill(text: str, columns: int, *, first: str = "", others: str = "") -> str:
    """Return `text` broken into lines of at most `columns` places; words stay whole.

    Parameters:
        text: without line breaks that matter.
        columns: of a line, its indentation included.
        first: stands before the first line.
        others: stands before the others.
    """
    if not any(_width(character) == 2 for character in text):
        return textwrap.fill(
            text,
            columns,
            initial_indent=first,
            subsequent_indent=others,
            break_long_words=False,
            break_on_hyphens=False,
        )
    lines: list[str] = []
    line, room = first, columns - width(first)
    empty = True
    for blank, unit in _units(" ".join(text.split())):
        needed = width(blank) + width(unit)
        if not empty and needed > room:
            lines.append(line)
            line, room, empty = others, columns - width(others), True
        if not empty:
            unit = blank + unit  # noqa: PLW2901
        line += unit
        room -= width(unit)
        empty = False
    return "\n".join([*lines, line])


def _width(character: str) -> int:
    if unicodedata.combining(character):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def _units(text: str) -> list[tuple[str, str]]:
    """Return (blank before, what stays together) for all of `text`."""
    found: list[tuple[str, str]] = []
    blank, unit = "", ""
    for character in text:
        if character == " ":
            found += [(blank, unit)] if unit else []
            blank, unit = " ", ""
        elif unit and _parts(unit[-1], character):
            found.append((blank, unit))
            blank, unit = "", character
        else:
            unit += character
    return [*found, (blank, unit)] if unit else found


def _parts(before: str, behind: str) -> bool:
    """Tell whether a line may be broken between two characters."""
    wide = _width(before) == 2 or _width(behind) == 2
    return wide and before not in _OPENING and behind not in _CLOSING
