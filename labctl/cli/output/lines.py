"""Where the events of a run go: a live table, plain lines, or JSON lines."""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import Protocol

from labctl.cli.i18n.locale import _, translated
from labctl.cli.output.terminal import is_terminal, printable
from labctl.events import (
    ChangeDone,
    ChangeStarted,
    Checked,
    Decided,
    Event,
    Exchanged,
    ExerciseEnded,
    ExerciseStarted,
    MachineOutput,
    Notice,
    Phase,
    PhaseEntered,
)


class Sink(Protocol):
    """Takes events, from any thread."""

    def __call__(self, event: Event) -> None: ...


@contextmanager
def choose(*, as_json: bool, verbose: bool) -> Iterator[Sink]:
    """Yield the sink that suits the terminal and the options."""
    if as_json:
        yield JsonLines()
    elif is_terminal(sys.stderr) and os.environ.get("TERM") not in _DUMB and not verbose:
        from labctl.cli.output.live import LiveTable

        with LiveTable() as table:
            yield table
    else:
        yield PlainLines(verbose=verbose)


_DUMB = ("dumb", "unknown")
"""Terminals on which nothing can be drawn in place, such as a shell within an editor."""


class JsonLines:
    """A JSON object a line on stdout: ``event`` is the event's name, the rest its fields."""

    def __init__(self) -> None:
        self._guard = threading.Lock()

    def __call__(self, event: Event) -> None:
        line = json.dumps({"event": type(event).__name__, **asdict(event)})
        with self._guard:
            sys.stdout.write(line + "\n")
            sys.stdout.flush()


def sentence(event: Event, *, verbose: bool) -> str:
    """Return an event as a line for people; empty where it is not worth one."""
    text = ""
    match event:
        case PhaseEntered(_, phase, note):
            text = f"{_(phase)}{f': {translated(note)}' if note else ''}"
        case ChangeStarted(_, playbook, _, summary, diff, check):
            would = _("would {}") if check else "{}"
            text = f"{playbook}: {would.format(translated(summary))}"
            if check and diff:
                text += "".join(f"\n    {line}" for line in diff.splitlines())
        case ChangeDone(_, playbook, _, summary, seconds) if verbose:
            done = _("done in {} s: {}").format(f"{seconds:.1f}", translated(summary))
            text = f"{playbook}: {done}"
        case Decided(_, key, answer):
            text = _("measured {}: {}").format(key, answer)
        case Checked(_, playbook, check, outcome, message, _):
            if outcome in ("failed", "error"):
                text = f"{_(outcome)}: {playbook}: {check}: {translated(message)}"
            elif verbose:
                text = f"{_(outcome)}: {playbook}: {check}"
        case ExerciseEnded(_, section, _, title, outcome, message, seconds, _):
            said = translated(message) if message else _("in {} s").format(f"{seconds:.1f}")
            text = f"{section}: {translated(title)}: {_(_OUTCOMES[outcome])}"
            text += f": {said}" if message else f" {said}"
        case ExerciseStarted(_, section, _, title) if verbose:
            text = f"{section}: {translated(title)}: {_('begins')}"
        case Exchanged(_, snippets, seconds) if verbose:
            text = _("exchange of {} snippets in {} s").format(snippets, f"{seconds:.3f}")
        case MachineOutput(_, line) if verbose:
            text = f"vagrant: {line}"
        case Notice(_, message):
            text = translated(message)
        case _:
            pass
    return text


_OUTCOMES = {
    "passed": "passed",
    "failed": "FAILED",
    "error": "FAILED",
    "skipped": "not applicable",
}


class PlainLines:
    """A line an event on stderr, with the seconds since the start and the node's name."""

    def __init__(self, *, verbose: bool) -> None:
        self._verbose = verbose
        self._start = time.monotonic()
        self._guard = threading.Lock()

    def __call__(self, event: Event) -> None:
        text = sentence(event, verbose=self._verbose)
        if not text:
            return
        seconds = time.monotonic() - self._start
        first, *rest = [printable(line) for line in text.splitlines()]
        with self._guard:
            sys.stderr.write(f"[{seconds:6.1f} s] {event.node or _('lab')}: {first}\n")
            for line in rest:
                sys.stderr.write(f"           {line}\n")
            sys.stderr.flush()


FINAL = (Phase.DONE, Phase.FAILED)
"""Phases after which a node's clock stands still."""
