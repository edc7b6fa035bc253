"""The picture: for each pair that has a target, how many times as fast labctl is.

SVG by hand, so that no library for plots is needed, and a new measurement changes few lines of it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape
from pathlib import Path

from benchmarks.figures import Figure, Wanted

_LABELS, _WIDTH, _LINE, _TOP, _RIGHT = 430, 460, 22, 64, 90
_REACHED, _MISSED, _QUIET, _TEXT = "#0a7d4f", "#c2410c", "#94a3b8", "#1e293b"
_STYLE = "font-family:system-ui,-apple-system,'Segoe UI',sans-serif"


def write(path: Path, figures: Sequence[Figure]) -> None:
    """Draw the pairs of these cases."""
    pairs = [(figure, wanted) for figure in figures for wanted in figure.wanted]
    low = min([0.5, *(min(w.least, w.goal) for _, w in pairs)])
    high = max([20.0, *(max(w.most, w.goal) for _, w in pairs)])
    scale = _Scale(low * 0.9, high * 1.1)
    height = _TOP + _LINE * len(pairs) + 20
    width = _LABELS + _WIDTH + _RIGHT
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}"'
        f' viewBox="0 0 {width} {height}" role="img" style="{_STYLE}">',
        "<title>How many times as fast labctl is as what it stands beside</title>",
        f'<rect width="{width}" height="{height}" fill="#ffffff"/>',
        _text(16, 24, "Times as fast as …", 15, anchor="start", weight=600),
        _text(
            16, 42, "dot: medians; thin line: the extremes; tick: to reach", 11, anchor="start",
            colour="#64748b",
        ),
        *_grid(scale, height),
    ]  # fmt: skip
    previous = ""
    for index, (figure, wanted) in enumerate(pairs):
        y = _TOP + _LINE * index + _LINE // 2
        if figure.row != previous and index:
            parts.append(_line(16, y - _LINE / 2, width - 16, y - _LINE / 2, "#e2e8f0"))
        previous = figure.row
        parts += _pair(figure, wanted, scale, y)
    path.write_text("\n".join([*parts, "</svg>"]) + "\n", "utf-8")


class _Scale:
    """From a ratio to a place, in powers of ten."""

    def __init__(self, low: float, high: float) -> None:
        self._low, self._high = math.log10(low), math.log10(high)

    def __call__(self, ratio: float) -> float:
        share = (math.log10(ratio) - self._low) / (self._high - self._low)
        return _LABELS + _WIDTH * share

    def ticks(self) -> list[float]:
        found = (0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)
        return [tick for tick in found if self._low <= math.log10(tick) <= self._high]


def _grid(scale: _Scale, height: int) -> list[str]:
    parts: list[str] = []
    for tick in scale.ticks():
        x = scale(tick)
        parts.append(_line(x, _TOP - 4, x, height - 14, "#475569" if tick == 1 else "#eef2f6"))
        parts.append(_text(x, _TOP - 10, f"{tick:g}×", 11, colour="#64748b"))
    return parts


def _pair(figure: Figure, wanted: Wanted, scale: _Scale, y: float) -> list[str]:
    colour = _REACHED if wanted.reached else _MISSED
    x, goal = scale(wanted.ratio), scale(wanted.goal)
    title = f"{figure.title} beside {wanted.beside}: {wanted.ratio:.2f}×, {wanted.words}"
    return [
        f"<g><title>{escape(title)}</title>",
        _text(_LABELS - 150, y + 4, figure.title, 11.5, anchor="end"),
        _text(_LABELS - 142, y + 4, wanted.beside, 11.5, anchor="start", colour="#64748b"),
        _line(scale(wanted.least), y, scale(wanted.most), y, _QUIET, 2),
        _line(goal, y - 7, goal, y + 7, _TEXT, 2),
        f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4.5" fill="{colour}"/>',
        _text(
            _LABELS + _WIDTH + 12, y + 4, f"{wanted.ratio:.2f}×", 12, anchor="start",
            colour=colour, weight=600,
        ),
        "</g>",
    ]  # fmt: skip


def _line(x1: float, y1: float, x2: float, y2: float, colour: str, width: float = 1) -> str:
    return (
        f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{colour}"'
        f' stroke-width="{width}"/>'
    )


def _text(
    x: float,
    y: float,
    words: str,
    size: float,
    *,
    anchor: str = "middle",
    colour: str = _TEXT,
    weight: int = 400,
) -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" text-anchor="{anchor}"'
        f' fill="{colour}" font-weight="{weight}">{escape(words)}</text>'
    )
