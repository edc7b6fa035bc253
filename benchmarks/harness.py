"""Who runs when: contenders of a case take turns, so that a slow minute hits all of them.

A case is one figure: a few contenders that do the same work on the same nodes. Each begins as often
as the others; the order turns with every round, so that none always runs after the same one.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from benchmarks.errors import BenchError
from benchmarks.measuring import Sample

LABCTL = "labctl"

Say = Callable[[str], None]


def nothing() -> None:
    """What a contender does that needs no preparation, or no proof after each run."""


@dataclass(frozen=True)
class Contender:
    """One way to do the work.

    Parameters:
        name: as the table has it; `LABCTL` for the one that is compared with the others.
        run: does the work once and returns what it took.
        prepare: brings nodes and files to where the work begins; not measured.
        check: proves that the work was done, or raises BenchError; not measured.
    """

    name: str
    run: Callable[[], Sample]
    prepare: Callable[[], None] = nothing
    check: Callable[[], None] = nothing


@dataclass(frozen=True)
class Target:
    """What labctl has to reach beside another contender.

    Parameters:
        beside: name of the other contender.
        at_least: so many times as fast as the other; None: see `at_most`.
        at_most: so many times the other's time; None: see `at_least`.
    """

    beside: str
    at_least: float | None = None
    at_most: float | None = None

    def as_json(self) -> dict[str, object]:
        return {"beside": self.beside, "at_least": self.at_least, "at_most": self.at_most}


@dataclass(frozen=True)
class Case:
    """One figure.

    Parameters:
        id: unique: ``scp/tree-up``.
        title: what is measured, for the table.
        contenders: labctl and its peers.
        targets: what labctl has to reach.
        limit: most rounds for a case of which one takes minutes; 0: as many as were asked for.
        warm_up: whether a first round is thrown away; a first provision is always the first.
        unit: what `memory` and `cpu` are divided by, the number of nodes.
        note: a sentence for the table.
    """

    id: str
    title: str
    contenders: Sequence[Contender]
    targets: Sequence[Target] = ()
    limit: int = 0
    warm_up: bool = True
    nodes: int = 1
    note: str = ""


class Row(Protocol):
    """A row of the table: a module of `benchmarks.rows`."""

    @property
    def NAME(self) -> str: ...  # noqa: N802 (a module's constant)

    @property
    def ABOUT(self) -> str: ...  # noqa: N802

    def cases(self, bench: Bench) -> Generator[Case]:
        """Make nodes, yield cases one after another, remove the nodes in the end."""
        ...


@dataclass(frozen=True)
class Bench:
    """What every row is given.

    Parameters:
        runs: rounds that count.
        warm_ups: rounds before them.
        say: takes a line about what goes on.
    """

    runs: int
    warm_ups: int
    say: Say


@dataclass
class Measured:
    """A case that was run."""

    case: Case
    runs: int
    warm_ups: int
    samples: dict[str, list[Sample]] = field(default_factory=dict)


def measure(case: Case, bench: Bench) -> Measured:
    """Run a case: every contender in every round, in turns.

    Raises:
        BenchError: a contender failed, or did not do the work.
    """
    runs = min(bench.runs, case.limit) if case.limit else bench.runs
    warm_ups = bench.warm_ups if case.warm_up else 0
    measured = Measured(case, runs, warm_ups, {c.name: [] for c in case.contenders})
    for round_ in range(-warm_ups, runs):
        turn = round_ % len(case.contenders)
        for contender in (*case.contenders[turn:], *case.contenders[:turn]):
            try:
                contender.prepare()
                sample = contender.run()
                contender.check()
            except BenchError as error:
                raise BenchError(f"{case.id}: {contender.name}: {error}") from error
            if round_ >= 0:
                measured.samples[contender.name].append(sample)
            label = "warm-up" if round_ < 0 else f"{round_ + 1}/{runs}"
            bench.say(
                f"  {case.id:24} {label:8} {contender.name:28} {sample.seconds:9.3f} s"
                f" {sample.cpu:8.3f} s cpu {sample.memory / 1e6:7.1f} MB"
            )
    _summary(measured, bench.say)
    return measured


def _summary(measured: Measured, say: Say) -> None:
    medians = {
        name: statistics.median(sample.seconds for sample in samples)
        for name, samples in measured.samples.items()
    }
    ours = medians.get(LABCTL)
    for name, median in medians.items():
        beside = f"{median / ours:6.2f} × labctl" if ours else ""
        say(f"  {measured.case.id:24} median   {name:28} {median:9.3f} s {beside}")
