"""Where the figures go: the generated part of docs/performance.md, and the picture beside it."""

from __future__ import annotations

from pathlib import Path

from benchmarks import plot, rows, table
from benchmarks.figures import DOCS, read

DOCUMENT = DOCS / "performance.md"
PICTURE = DOCS / "performance.svg"


def write(results: Path, document: Path = DOCUMENT, picture: Path = PICTURE) -> None:
    """Write both from the samples of a measurement."""
    environments, figures = read(results)
    order = [row.NAME for row in rows.pick([])]
    figures.sort(key=lambda figure: order.index(figure.row))
    plot.write(picture, figures)
    table.put(document, environments, figures, picture.name)
