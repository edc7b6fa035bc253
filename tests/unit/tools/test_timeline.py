"""Which processor seconds count for whom."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tools import timeline
from tools.timeline import Process, Timeline, Watch

MAKE, WORLD = 10, 20
Seen = dict[tuple[int, str], Process]
Look = Callable[[Seen], dict[tuple[str, str], float]]


@pytest.fixture
def look(monkeypatch: pytest.MonkeyPatch) -> Look:
    """Let a watch see given processes, and return what it counted of them."""
    worlds: dict[int, str] = {}
    monkeypatch.setattr(timeline, "_worlds", lambda: dict(worlds))
    watch = Watch(MAKE)
    worlds[WORLD] = "faults"  # came up after the watch began

    def look(seen: Seen) -> dict[tuple[str, str], float]:
        monkeypatch.setattr(timeline, "_processes", lambda: iter(seen.items()))
        watch.look()
        return {key: used for key, used in watch.timeline.seconds[-1].items() if used}

    return look


def test_a_process_counts_for_its_world_and_its_program(look: Look) -> None:
    seen: Seen = {
        (MAKE, "0"): Process("make", 1, 0.0, 0.0),
        (WORLD, "0"): Process("python3", 1, 0.0, 0.0),
        (21, "0"): Process("dockerd", WORLD, 0.5, 0.0),
        (11, "0"): Process("ruby", MAKE, 0.25, 0.0),
        (30, "0"): Process("qemu-system-x86", 1, 9.0, 0.0),  # somebody else's
    }
    assert look(seen) == {("faults", "engine"): 0.5, ("make", "vagrant"): 0.25}


def test_what_ended_is_counted_once(look: Look) -> None:
    """Its parent has all of it among its children's seconds, of which some was seen before."""
    make = Process("make", 1, 0.0, 0.0)
    shell = Process("sh", MAKE, 0.0, 0.0)
    look({(MAKE, "0"): make, (11, "0"): shell, (12, "0"): Process("ruby", 11, 0.5, 0.0)})
    # The shell and its child ended; so did another child that nobody ever saw.
    after = {(MAKE, "0"): Process("make", 1, 0.0, 0.5 + 0.25 + 0.125)}
    assert look(after) == {("make", "shell"): 0.375}


def test_the_report_names_world_program_and_sum() -> None:
    seconds = [{("faults", "engine"): 2.0, ("unit", "pytest"): 3.0}] * 2
    wall = {("faults", "test_a"): 1.0, ("faults", "test_b"): 1.0, ("unit", ""): 2.0}
    report = timeline.report(Timeline(seconds, wall=wall))
    lines = [line.split() for line in report.splitlines()]
    assert lines[0] == ["processor", "seconds", "wall", "all", "pytest", "engine"]
    assert ["faults", "2", "4", "4"] in lines
    assert ["all", "2", "10", "6", "4"] in lines
