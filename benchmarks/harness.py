"""Who runs when: contenders of a case take turns, so that a slow minute hits all of them.

A case is one figure: a few contenders that do the same work on the same nodes. Each begins as often
as the others; the order turns with every round, so that none always runs after the same one. A
contender that only waits, for minutes, runs all its rounds at once before the others.
"""

from __future__ import annotations

import contextlib
import statistics
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from benchmarks.errors import BenchError
from benchmarks.measuring import Sample

LABCTL = "labctl"

Say = Callable[[str], None]


def nothing() -> None:
    """A contender that needs no preparation, or no proof after each run."""


@dataclass(frozen=True)
class Contender:
    """One way to do the work.

    Parameters:
        name: as the table has it; `LABCTL` for the one that is compared with the others.
        run: does the work once and returns what it took.
        prepare: brings nodes and files to where the work begins; not measured.
        check: proves that the work was done, or raises BenchError; not measured.
        at_once: does the work that many times side by side, prepared and proved, in place of the
            other three; for what takes minutes in which no processor is used.
    """

    name: str
    run: Callable[[], Sample]
    prepare: Callable[[], None] = nothing
    check: Callable[[], None] = nothing
    at_once: Callable[[int], list[Sample]] | None = None


@dataclass(frozen=True)
class Target:
    """The target of labctl beside another contender.

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
        warm_up: whether a first round is thrown away; not where one takes a quarter of an hour.
        unit: what `memory` and `cpu` are divided by, the number of nodes.
        note: a sentence for the table.
    """

    id: str
    title: str
    contenders: Sequence[Contender]
    targets: Sequence[Target] = ()
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
    """The arguments of every row.

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
    warm_ups = bench.warm_ups if case.warm_up else 0
    measured = Measured(case, bench.runs, warm_ups, {c.name: [] for c in case.contenders})
    for contender in case.contenders:
        if contender.at_once is not None:
            with _of(case, contender):
                samples = contender.at_once(bench.runs)
            for sample in samples:
                _keep(measured, contender, sample, "at once", bench.say)
    turns = [contender for contender in case.contenders if contender.at_once is None]
    for round_ in range(-warm_ups, bench.runs):
        turn = round_ % len(turns)
        for contender in (*turns[turn:], *turns[:turn]):
            with _of(case, contender):
                contender.prepare()
                sample = contender.run()
                contender.check()
            label = "warm-up" if round_ < 0 else f"{round_ + 1}/{bench.runs}"
            _keep(measured, contender, sample, label, bench.say, counts=round_ >= 0)
    _summary(measured, bench.say)
    return measured


@contextlib.contextmanager
def _of(case: Case, contender: Contender) -> Iterator[None]:
    """Name the case and the contender in what fails."""
    try:
        yield
    except BenchError as error:
        raise BenchError(f"{case.id}: {contender.name}: {error}") from error


def _keep(
    measured: Measured,
    contender: Contender,
    sample: Sample,
    label: str,
    say: Say,
    *,
    counts: bool = True,
) -> None:
    """Store a sample, if it counts, and print it."""
    if counts:
        measured.samples[contender.name].append(sample)
    say(
        f"  {measured.case.id:24} {label:8} {contender.name:28} {sample.seconds:9.3f} s"
        f" {sample.cpu:8.3f} s cpu {sample.memory / 1e6:7.1f} MB"
    )


def _summary(measured: Measured, say: Say) -> None:
    medians = {
        name: statistics.median(sample.seconds for sample in samples)
        for name, samples in measured.samples.items()
    }
    ours = medians.get(LABCTL)
    for name, median in medians.items():
        beside = f"{median / ours:6.2f} × labctl" if ours else ""
        say(f"  {measured.case.id:24} median   {name:28} {median:9.3f} s {beside}")
