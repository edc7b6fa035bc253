"""Alignment and wrapping of text in which Chinese characters are two columns wide.

Text without such characters has the same result as with Python's own `ljust` and `textwrap`.
"""

from __future__ import annotations

import re
import textwrap
import unicodedata

# Characters that may not start a line, and that may not end one (GB/T 15834).
_CLOSING = frozenset("，。、；：？！）》」』】”’…%,.;:?!)]}")
_OPENING = frozenset("（《「『【“‘([{")

_COMMAND = re.compile("`[^`]+`")
_HELD = "\0"
"""Stands for a space at which a line may not break."""


def width(text: str) -> int:
    """Return the width of `text` in terminal columns."""
    if text.isascii():
        return len(text)
    return sum(_width(character) for character in text)


def ljust(text: str, columns: int) -> str:
    """Return `text` padded with spaces to `columns`."""
    return text + " " * (columns - width(text))


def fill(text: str, columns: int, *, first: str = "", others: str = "") -> str:
    """Return `text` wrapped into lines of at most `columns`.

    Words are not broken, and neither are commands in backticks that fit on a line.

    Parameters:
        text: line breaks in it are ignored.
        columns: width of a line, including its prefix.
        first: prefix of the first line.
        others: prefix of the other lines.
    """
    room = columns - width(others)
    text = _COMMAND.sub(
        lambda found: found[0].replace(" ", _HELD) if width(found[0]) <= room else found[0], text
    )
    return _filled(text, columns, first, others).replace(_HELD, " ")


def _filled(text: str, columns: int, first: str, others: str) -> str:
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
    """Return `text` as pairs of the space before a unit and the unit, which is not broken."""
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
    """Return whether a line may break between two characters."""
    wide = _width(before) == 2 or _width(behind) == 2
    return wide and before not in _OPENING and behind not in _CLOSING
