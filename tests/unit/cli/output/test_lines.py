"""Each sink handles every event."""

from __future__ import annotations

import dataclasses
import io
import re
import threading
from typing import Any, get_args

import pytest
from rich.console import Console

from labctl import events
from labctl.cli.output.lines import JsonLines, PlainLines, sentence
from labctl.cli.output.live import LiveTable
from labctl.cli.output.sinks import sink
from labctl.events import (
    ChangeDone,
    ChangeStarted,
    CheckEnded,
    CheckOutcome,
    CheckStarted,
    Decided,
    Event,
    Exchanged,
    MachineOutput,
    Notice,
    Phase,
    PhaseEntered,
)
from tests.json_lines import lines_of

NASTY = 'it\'s "quoted" ü 🐳\x1b[31m'


def check_started(phase: Phase, title: str = "it runs") -> CheckStarted:
    return CheckStarted("a", phase, "engine", "test_x", title, 7, 19)


def check_ended(
    phase: Phase, outcome: CheckOutcome, message: str = "", wrong: str = "", because: str = ""
) -> CheckEnded:
    place = ("a", phase, "engine", "test_x", "it runs", 7, 19)
    return CheckEnded(*place, outcome, message, 1.5, 1.7e9, wrong, because, details=message)


SAMPLES: list[Event] = [
    PhaseEntered("a", Phase.BOOTING),
    PhaseEntered("a", Phase.FAILED, NASTY),
    MachineOutput("a", NASTY),
    Exchanged("a", 12, 0.25),
    ChangeStarted("a", "engine", "service:docker", "start docker", "-x\n+y", check=False),
    ChangeStarted("a", "engine", "file:/a", "update /a", "-x\n+y", check=True),
    ChangeDone("a", "engine", "service:docker", "start docker", 1.5),
    Decided("a", "mirrors.live", "['https://a']"),
    check_started(Phase.VERIFYING),
    check_started(Phase.REHEARSING, title=NASTY),
    *(check_ended(Phase.VERIFYING, outcome, NASTY) for outcome in CheckOutcome),
    *(check_ended(Phase.REHEARSING, outcome, NASTY) for outcome in CheckOutcome),
    Notice("", NASTY),
]


def test_the_samples_are_of_every_kind() -> None:
    assert {type(event) for event in SAMPLES} == set(get_args(events.Event))


@pytest.mark.parametrize("event", SAMPLES)
def test_an_event_is_a_line_of_json(event: Event, capsys: pytest.CaptureFixture[str]) -> None:
    JsonLines()(event)
    out, err = capsys.readouterr()
    assert err == ""
    assert out.count("\n") == 1
    (data,) = lines_of(out)
    assert data.pop("event") == type(event).__name__
    assert data == {name: getattr(event, name) for name in event.__slots__}


PLAIN: list[tuple[Event, str | None, str | None]] = [
    # event, the line of a usual run, the line with -v
    (PhaseEntered("a", Phase.BOOTING), "booting", "booting"),
    (PhaseEntered("a", Phase.FAILED, "why"), "failed: why", "failed: why"),
    (MachineOutput("a", "Booting VM..."), None, "vagrant: Booting VM..."),
    (Exchanged("a", 12, 0.25), None, "round trip with 12 scripts in 0.250 s"),
    (
        ChangeStarted("a", "engine", "x", "start docker", "-x\n+y", check=False),
        "engine: start docker",
        "engine: start docker",
    ),
    (
        ChangeStarted("a", "engine", "x", "start docker", "-x\n+y", check=True),
        "engine: would start docker\n    -x\n    +y",
        "engine: would start docker\n    -x\n    +y",
    ),
    (ChangeDone("a", "engine", "x", "start docker", 1.5), None,
     "engine: done in 1.5 s: start docker"),
    (Decided("a", "mirrors.live", "[]"), None, "measured mirrors.live: []"),
    (check_ended(Phase.VERIFYING, CheckOutcome.PASSED), None, "engine: it runs: passed in 1.5 s"),
    (check_ended(Phase.VERIFYING, CheckOutcome.SKIPPED, "old"),
     None, "engine: it runs: not applicable: old"),
    (check_started(Phase.VERIFYING), None, "engine: it runs: started"),
    (check_started(Phase.REHEARSING), None, "engine: it runs: started"),
    (check_ended(Phase.REHEARSING, CheckOutcome.PASSED),
     "engine: it runs: passed in 1.5 s", "engine: it runs: passed in 1.5 s"),
    (check_ended(Phase.REHEARSING, CheckOutcome.SKIPPED, "old"),
     "engine: it runs: not applicable: old", "engine: it runs: not applicable: old"),
    *((check_ended(phase, CheckOutcome.FAILED, "1 == 2", "Docker is not running", "it stopped"),
       "engine: it runs: failed: Docker is not running: it stopped",
       "engine: it runs: failed: Docker is not running: it stopped\n1 == 2")
      for phase in (Phase.VERIFYING, Phase.REHEARSING)),
    (check_ended(Phase.VERIFYING, CheckOutcome.ERROR, "gone", "the node does not answer"),
     "engine: it runs: could not run: the node does not answer",
     "engine: it runs: could not run: the node does not answer\ngone"),
    (Notice("a", "slow"), "slow", "slow"),
]  # fmt: skip


@pytest.mark.parametrize(("event", "usual", "verbose"), PLAIN)
def test_sentence(event: Event, usual: str | None, verbose: str | None) -> None:
    assert sentence(event, verbose=False) == (usual or "")
    assert sentence(event, verbose=True) == (verbose or "")


@pytest.mark.parametrize("verbose", [False, True])
@pytest.mark.parametrize("event", SAMPLES)
def test_plain_lines(event: Event, verbose: bool, capsys: pytest.CaptureFixture[str]) -> None:
    PlainLines(verbose=verbose)(event)
    out, err = capsys.readouterr()
    assert out == ""
    text = sentence(event, verbose=verbose)
    assert bool(err) == bool(text)
    if not text:
        return
    first, *rest = err.splitlines()
    assert re.match(rf"\[ +\d+\.\d s\] {event.node or 'lab'}: .", first)
    assert len(rest) == text.count("\n")
    assert all(line.startswith("     ") for line in rest)
    assert "\x1b" not in err


def test_a_cause_is_reported_once_for_each_node(capsys: pytest.CaptureFixture[str]) -> None:
    lines = PlainLines(verbose=False)
    failed = check_ended(
        Phase.REHEARSING, CheckOutcome.FAILED, "1 == 2", "the disk is full", "0 MB"
    )
    for _ in range(3):
        lines(failed)
    lines(dataclasses.replace(failed, node="b"))
    err = capsys.readouterr().err
    assert err.count("engine: it runs: failed") == 4
    assert err.count("a: engine: it runs: failed: the disk is full: 0 MB") == 1
    assert err.count("b: engine: it runs: failed: the disk is full: 0 MB") == 1


def test_lines_of_several_threads_are_not_mixed(capsys: pytest.CaptureFixture[str]) -> None:
    sink = JsonLines()
    many = [Notice(f"node{n}", "x" * 200) for n in range(8)]

    def say(event: Event) -> None:
        for _ in range(50):
            sink(event)

    threads = [threading.Thread(target=say, args=(event,)) for event in many]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    seen = lines_of(capsys.readouterr().out)
    assert len(seen) == 400


def test_control_characters_of_a_node_do_not_reach_the_terminal() -> None:
    console = Console(file=io.StringIO(), width=200)
    with LiveTable(console) as table:
        table(Notice("a", NASTY))
        table(ChangeStarted("a", "x", "file:/a", "update /a", f"-\n+{NASTY}", check=True))
    said = console.file.getvalue()  # type: ignore[attr-defined]
    assert said.count("\N{REPLACEMENT CHARACTER}[31m") == 2
    assert "\x1b" not in said


def test_the_live_table_leaves_stdout_alone(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with LiveTable(Console(file=io.StringIO(), force_terminal=True)):
        print("for a pipe")
    assert capsys.readouterr().out == "for a pipe\n"


class Terminal:
    """A stream that reports if it is a terminal."""

    def __init__(self, real: Any, *, terminal: bool) -> None:
        self._real, self._terminal = real, terminal

    def isatty(self) -> bool:
        return self._terminal

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)


@pytest.mark.parametrize(
    ("as_json", "terminal", "verbose", "kind"),
    [
        (True, True, False, JsonLines),
        (True, False, True, JsonLines),
        (False, True, False, LiveTable),
        (False, True, True, PlainLines),
        (False, False, False, PlainLines),
    ],
)
def test_the_sink_suits_the_terminal_and_the_options(
    monkeypatch: pytest.MonkeyPatch, as_json: bool, terminal: bool, verbose: bool, kind: type
) -> None:
    import sys

    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(sys, "stderr", Terminal(sys.stderr, terminal=terminal))
    with sink(as_json=as_json, verbose=verbose) as chosen:
        assert isinstance(chosen, kind)


@pytest.mark.parametrize("stderr", [True, False])
def test_a_dumb_terminal_gets_plain_lines(monkeypatch: pytest.MonkeyPatch, stderr: bool) -> None:
    import sys

    monkeypatch.setenv("TERM", "dumb" if stderr else "xterm")
    monkeypatch.setattr(sys, "stderr", Terminal(sys.stderr, terminal=True) if stderr else None)
    with sink(as_json=False, verbose=False) as chosen:
        assert isinstance(chosen, PlainLines)


def shown(*events: Event) -> str:
    """Return the live table after these events."""
    screen = io.StringIO()
    console = Console(file=screen, force_terminal=True, width=100, no_color=True)
    with LiveTable(console) as table:
        for event in events:
            table(event)
        screen.truncate(0)
        console.print(table._table())
    return screen.getvalue()


def test_the_live_table_takes_every_event() -> None:
    text = shown(*SAMPLES)
    assert "4 failed" in text
    assert "engine: it" in text


@pytest.mark.parametrize("phase", [Phase.VERIFYING, Phase.REHEARSING])
def test_the_live_table_counts_checks(phase: Phase) -> None:
    running = (PhaseEntered("a", phase), check_started(phase))
    assert f"{phase} 7/19" in shown(*running)
    assert "7/19" not in shown(*running, PhaseEntered("a", Phase.DONE))
