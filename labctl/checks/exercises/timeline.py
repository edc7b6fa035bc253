"""The timeline of a rehearsal, with a bar for each exercise.

Positions are percentages of the time axis, for pages of any width.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import groupby
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from labctl.checks.exercises.result import Rehearsal
    from labctl.checks.report import NodeReport

_STEPS = (0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400)
"""Possible seconds between two marks of the axis. The first that needs few marks is used."""

_MOST_MARKS = 6
_THINNEST = 0.15
"""Percent. A thinner bar is invisible."""


def timeline(rehearsal: Rehearsal) -> dict[str, Any]:
    """Return the marks of the axis, and the sections and exercises of each node."""
    ends = [c.started + c.seconds - rehearsal.began for r in rehearsal.reports for c in r.checks]
    length = max([rehearsal.seconds, *ends, 0.1])
    return {
        "marks": list(_marks(length)),
        "length": clock(length),
        "lanes": [_lane(report, rehearsal.began, length) for report in rehearsal.reports],
    }


def clock(seconds: float) -> str:
    """Return a duration for people: ``3.2 s``, ``45 s``, ``4 min 05 s``, ``1 h 02 min``."""
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02} min"


def _marks(length: float) -> Iterable[dict[str, Any]]:
    step = next((s for s in _STEPS if length / s <= _MOST_MARKS), _STEPS[-1])
    count = int(length / step)
    for number in range(count + 1):
        at = number * step
        place = 100 * at / length
        # A label is centred on its mark, except at the ends of the axis.
        anchor = "start" if number == 0 else "end" if place > 94 else "middle"
        yield {"at": round(place, 3), "label": _short(at), "anchor": anchor}


def _short(seconds: float) -> str:
    if seconds < 60:
        return f"{seconds:g} s"
    whole = int(seconds)
    return f"{whole // 60}:{whole % 60:02}" if whole < 3600 else clock(whole)


def _lane(report: NodeReport, began: float, length: float) -> dict[str, Any]:
    bars: list[dict[str, Any]] = [
        {
            "section": check.section,
            "title": check.title,
            "outcome": check.outcome,
            "word": check.outcome.words,
            "seconds": clock(check.seconds),
            "from": clock(max(0.0, check.started - began)),
            "left": _place(check.started - began, length),
            "width": max(_THINNEST, _place(check.seconds, length)),
        }
        for check in report.checks
    ]
    sections = []
    for name, group in groupby(bars, key=lambda bar: bar["section"]):
        within = list(group)
        left = within[0]["left"]
        right = within[-1]["left"] + within[-1]["width"]
        sections.append({"name": name, "left": left, "width": round(right - left, 3)})
    return {"node": report.node, "bars": bars, "sections": sections}


def _place(seconds: float, length: float) -> float:
    return round(min(100.0, max(0.0, 100 * seconds / length)), 3)
