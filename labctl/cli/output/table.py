"""Tables that fit the screen: columns are left out before a word is broken."""

from __future__ import annotations

from collections.abc import Sequence

from labctl.cli.i18n.locale import _
from labctl.cli.output.terminal import say, screen_width
from labctl.cli.output.text_width import fill, ljust, width

_GAP = 2


def print_table(
    heads: Sequence[str], rows: Sequence[Sequence[str]], *, spare: Sequence[int] = ()
) -> None:
    """Print a table. A pipe gets all columns.

    Parameters:
        heads: of the columns.
        rows: the cells; a row whose last cell is "FAILED" is red.
        spare: indexes of columns to leave out on a narrow screen, the least needed first.
    """
    shown = list(range(len(heads)))
    columns = screen_width()
    for index in spare:
        if columns is None or _wide(heads, rows, shown) <= columns:
            break
        shown.remove(index)
    widths = _widths(heads, rows)
    for number, row in enumerate([heads, *rows]):
        line = (" " * _GAP).join(ljust(row[i], widths[i]) for i in shown)
        bad = row[-1] == _("FAILED")
        say(line.rstrip(), bold=number == 0, fg="red" if bad else None)


def print_described(
    heads: Sequence[str], rows: Sequence[Sequence[str]], *, least: int = 24
) -> None:
    """Print a table whose last column is prose: it is wrapped by words.

    Parameters:
        heads: of the columns.
        rows: the cells.
        least: columns that the prose needs; on a narrower screen it is left out.
    """
    columns = screen_width()
    widths = _widths(heads, rows)
    before = sum(widths[:-1]) + _GAP * (len(widths) - 1)
    if columns is not None and columns - before < least:
        print_table([*heads[:-1]], [[*row[:-1]] for row in rows])
        return
    for number, row in enumerate([heads, *rows]):
        cells = zip(row[:-1], widths[:-1], strict=True)
        first = "".join(ljust(cell, size) + " " * _GAP for cell, size in cells)
        text = first + row[-1]
        if columns is not None and row[-1]:
            text = fill(row[-1], columns, first=first, others=" " * before)
        say(text.rstrip(), bold=number == 0)


def print_wide_table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a table of equal columns below each other in parts that fit, each with its first one.

    Parameters:
        heads: of the columns.
        rows: the cells.
    """
    columns = screen_width()
    left = list(range(1, len(heads)))
    while True:
        part = left[: _fitting(heads, rows, left, columns)]
        left = left[len(part) :]
        indexes = [0, *part]
        print_table([heads[i] for i in indexes], [[row[i] for i in indexes] for row in rows])
        if not left:
            return
        say()


def _fitting(
    heads: Sequence[str], rows: Sequence[Sequence[str]], left: list[int], columns: int | None
) -> int:
    """Return how many columns fit beside the first one; at least one."""
    count = len(left)
    while columns is not None and count > 1 and _wide(heads, rows, [0, *left[:count]]) > columns:
        count -= 1
    return count


def _widths(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> list[int]:
    return [max(width(row[i]) for row in [heads, *rows]) for i in range(len(heads))]


def _wide(heads: Sequence[str], rows: Sequence[Sequence[str]], shown: Sequence[int]) -> int:
    widths = _widths(heads, rows)
    return sum(widths[i] for i in shown) + _GAP * (len(shown) - 1)
