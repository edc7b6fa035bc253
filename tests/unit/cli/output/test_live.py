"""The live table: what stays on the screen, what counts, and the right verb."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from labctl.cli.output import live
from labctl.cli.output.live import LiveTable
from labctl.events import (
    ChangeDone,
    ChangeStarted,
    CheckEnded,
    CheckOutcome,
    CheckStarted,
    Event,
    Phase,
    PhaseEntered,
)
from labctl.lab.actions.lifecycle import _PHASES


class Clock:
    """Stands in for the clock: each reading is a second later."""

    def __init__(self) -> None:
        self.now = 0.0

    def monotonic(self) -> float:
        self.now += 1.0
        return self.now


@pytest.fixture(autouse=True)
def _clock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "time", Clock())


def checks(node: str, phase: Phase, *outcomes: CheckOutcome) -> list[Event]:
    found: list[Event] = []
    for index, outcome in enumerate(outcomes, start=1):
        place = (node, phase, "engine", f"test_{index}", "it runs", index, len(outcomes))
        found += [CheckStarted(*place), CheckEnded(*place, outcome, "", 1.0, 0.0)]
    return found


def remains(*events: Event) -> list[str]:
    """Return the lines that stay on the screen when the run is over."""
    screen = io.StringIO()
    console = Console(file=screen, force_terminal=False, width=80)
    with LiveTable(console) as table:
        for event in events:
            table(event)
    return [line.rstrip() for line in screen.getvalue().splitlines() if line.strip()]


PASSED, FAILED, SKIPPED = CheckOutcome.PASSED, CheckOutcome.FAILED, CheckOutcome.SKIPPED


def test_the_steps_of_a_node_stay_with_their_times() -> None:
    done = ChangeDone("a", "engine", "x", "start docker", 1.0)
    lines = remains(
        PhaseEntered("a", Phase.BOOTING),
        PhaseEntered("a", Phase.PROVISIONING),
        done,
        PhaseEntered("a", Phase.WAITING, "for b"),
        PhaseEntered("a", Phase.PROVISIONING),
        done,
        PhaseEntered("a", Phase.WAITING, "for the other nodes"),
        PhaseEntered("a", Phase.VERIFYING),
        *checks("a", Phase.VERIFYING, PASSED, PASSED, SKIPPED),
        PhaseEntered("a", Phase.DONE),
    )
    assert [line.rpartition("  ")[0] for line in lines] == [
        "✓ a  booted",
        "✓ a  provisioned, 2 changes",
        "✓ a  verified, 2/2",
    ]
    assert all(line.rpartition("  ")[2].endswith(" s") for line in lines)


def test_a_check_has_pending_changes() -> None:
    found = ChangeStarted("a", "engine", "x", "start docker", "", True)
    lines = remains(
        PhaseEntered("a", Phase.PROVISIONING), found, found, PhaseEntered("a", Phase.DONE)
    )
    assert lines[-1].rpartition("  ")[0] == "✓ a  checked, 2 changes pending"


def test_a_step_that_failed_stays_too() -> None:
    lines = remains(
        PhaseEntered("a", Phase.BOOTING),
        PhaseEntered("a", Phase.FAILED, "no room"),
        PhaseEntered("b", Phase.REHEARSING),
        *checks("b", Phase.REHEARSING, PASSED, FAILED),
        PhaseEntered("b", Phase.FAILED, "1 check failed"),
    )
    assert [line.rpartition("  ")[0] for line in lines] == [
        "✗ a  booting: no room",
        "✗ b  rehearsed, 1/2",
    ]


def test_every_phase_has_words_for_its_end() -> None:
    others = {Phase.WAITING, Phase.DONE, Phase.FAILED}
    assert set(Phase) - others == live._ENDED.keys()


@pytest.mark.parametrize(("command", "phase"), _PHASES.items())
def test_every_command_has_its_own_verb(command: str, phase: Phase) -> None:
    (line,) = remains(PhaseEntered("a", phase), PhaseEntered("a", Phase.DONE))
    assert "boot" not in line
    assert line.startswith("✓ a  ")
    assert list(_PHASES.values()).count(phase) == 1, command


@pytest.mark.parametrize(
    ("left", "words"),
    [
        (None, "verifying 7/19"),
        (4.0, "verifying 7/19"),
        (33.0, "verifying 7/19, about 30 s left"),
        (240.0, "verifying 7/19, about 4 min left"),
    ],
)
def test_what_is_left_is_estimated(left: float | None, words: str) -> None:
    screen = io.StringIO()
    console = Console(file=screen, width=100)
    with LiveTable(console) as table:
        table(PhaseEntered("a", Phase.VERIFYING))
        table(CheckStarted("a", Phase.VERIFYING, "engine", "test_x", "it runs", 7, 19, left))
        console.print(table._table())
    assert words in screen.getvalue()
    assert ("left" in screen.getvalue()) == ("left" in words)


@pytest.mark.parametrize("width", [60, 80])
def test_a_narrow_screen_shows_what_matters(width: int) -> None:
    screen = io.StringIO()
    console = Console(file=screen, width=width)
    with LiveTable(console) as table:
        table(PhaseEntered("docker-node1", Phase.REHEARSING))
        place = ("docker-node1", Phase.REHEARSING, "network", "test_x", "a very long title " * 9)
        table(CheckStarted(*place, 3, 17, 240.0))
        console.print(table._table())
    (line,) = screen.getvalue().splitlines()
    assert "docker-node1" in line
    assert "rehearsing 3/17, about 4 min left" in line
    assert len(line) <= width
