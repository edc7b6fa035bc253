"""From samples to figures: medians, ranges, and what was to be reached."""

from __future__ import annotations

import json
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.harness import LABCTL

DOCS = Path(__file__).resolve().parent.parent / "docs"
RESULTS = DOCS / "performance.json"


@dataclass(frozen=True)
class Spread:
    """Median, minimum and maximum of one quantity."""

    median: float
    least: float
    most: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        return cls(statistics.median(values), min(values), max(values))


@dataclass(frozen=True)
class Wanted:
    """The target beside one contender, and the result."""

    beside: str
    ratio: float  # the other's median over labctl's
    least: float
    most: float
    goal: float  # the ratio that is enough
    words: str

    @property
    def reached(self) -> bool:
        return self.ratio >= self.goal


@dataclass(frozen=True)
class Figure:
    """A case that was measured.

    Parameters:
        row: the row that it belongs to.
        title: what was measured.
        nodes: how many.
        runs: rounds that count.
        note: a sentence about it.
        seconds, cpu, memory: by contender.
        wanted: what was to be reached.
    """

    row: str
    id: str
    title: str
    nodes: int
    runs: int
    note: str
    seconds: dict[str, Spread]
    cpu: dict[str, Spread]
    memory: dict[str, Spread]
    wanted: tuple[Wanted, ...]

    def beside(self, contender: str) -> float:
        """Return the other's median over labctl's."""
        return self.seconds[contender].median / self.seconds[LABCTL].median


def read(path: Path) -> tuple[dict[str, Any], list[Figure]]:
    """Return the environments by row, and every case, in the rows' order.

    Parameters:
        path: what `benchmarks.results` wrote.
    """
    data = json.loads(path.read_text("utf-8"))
    found: list[Figure] = []
    for row, content in data["rows"].items():
        found += [_figure(row, case) for case in content["cases"]]
    environments = {row: content["environment"] for row, content in data["rows"].items()}
    return environments, found


def _figure(row: str, case: dict[str, Any]) -> Figure:
    quantities = {
        quantity: {
            name: Spread.of([sample[quantity] for sample in samples])
            for name, samples in case["samples"].items()
        }
        for quantity in ("seconds", "cpu", "memory")
    }
    seconds = quantities["seconds"]
    return Figure(
        row,
        case["id"],
        case["title"],
        case["nodes"],
        case["runs"],
        case["note"],
        seconds,
        quantities["cpu"],
        quantities["memory"],
        tuple(_wanted(target, seconds) for target in case["targets"]),
    )


def _wanted(target: dict[str, Any], seconds: dict[str, Spread]) -> Wanted:
    ours, theirs = seconds[LABCTL], seconds[target["beside"]]
    if target["at_least"] is not None:
        goal, words = float(target["at_least"]), f"≥ {target['at_least']:g}× as fast"
    else:
        goal, words = 1 / float(target["at_most"]), f"≤ {target['at_most']:g}× its time"
    return Wanted(
        target["beside"],
        theirs.median / ours.median,
        theirs.least / ours.most,
        theirs.most / ours.least,
        goal,
        words,
    )
