"""The events of a run as lines: plain text, or JSON."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import asdict, replace

from labctl.cli.i18n.locale import _
from labctl.cli.output.terminal import printable, say, say_json
from labctl.events import (
    ChangeDone,
    ChangeStarted,
    CheckEnded,
    CheckStarted,
    Decided,
    Event,
    Exchanged,
    MachineOutput,
    Notice,
    Phase,
    PhaseEntered,
)
from labctl.messages import msg

Translate = Callable[..., str]
"""Gives a text, with its values, the reader's language."""


class JsonLines:
    """Writes each event to stdout as a JSON object: ``event`` is its name, the rest its fields."""

    def __init__(self) -> None:
        self._guard = threading.Lock()

    def __call__(self, event: Event) -> None:
        with self._guard:
            say_json({"event": type(event).__name__, **asdict(event)})


def english(text: str, /, **values: object) -> str:
    """Return a text in English: the translation of logs."""
    return msg(text, **values) if values else text


def sentence(event: Event, *, verbose: bool, translate: Translate = _) -> str:
    """Return an event as a line for people; empty if it needs none.

    Parameters:
        event: the event.
        verbose: whether details and unimportant events are wanted.
        translate: gives a text the reader's language.
    """
    _ = translate
    text = ""
    match event:
        case PhaseEntered(_, phase, note):
            text = _(": ").join((_(phase), _(note))) if note else _(phase)
        case ChangeStarted(_, playbook, _, summary, diff, check):
            what = _("would {change}", change=summary) if check else _(summary)
            text = f"{playbook}{_(': ')}{what}"
            if check and diff:
                text += "".join(f"\n    {line}" for line in diff.splitlines())
        case ChangeDone(_, playbook, _, summary, seconds) if verbose:
            done = _("done in {seconds:.1f} s: {change}", seconds=seconds, change=summary)
            text = f"{playbook}{_(': ')}{done}"
        case Decided(_, key, answer) if verbose:
            text = _("measured {what}: {answer}", what=key, answer=answer)
        case CheckEnded():
            text = _check_ended(event, verbose, translate)
        case CheckStarted(section=section, title=title) if verbose:
            text = f"{section}: {_(title)}: {_('started')}"
        case Exchanged(_, snippets, seconds) if verbose:
            text = _(
                "round trip with {scripts} scripts in {seconds:.3f} s",
                scripts=snippets,
                seconds=seconds,
            )
        case MachineOutput(_, line) if verbose:
            text = f"vagrant: {line}"
        case Notice(_, message):
            text = _(message)
        case _:
            pass
    return text


def _check_ended(event: CheckEnded, verbose: bool, _: Translate) -> str:
    """Return a line; empty for a check of `verify` that passed, because there are many of them."""
    if not (verbose or event.outcome.bad or event.phase is Phase.REHEARSING):
        return ""
    text = _(": ").join((event.section, _(event.title), _(event.outcome.words)))
    if event.outcome.bad:
        why = msg("{what}: {why}", what=event.wrong, why=event.because)
        words = _(why) if event.because else _(event.wrong)
        text = f"{text}{_(': ')}{words}" if words else text
        return f"{text}\n{_(event.details)}" if verbose and event.details else text
    if event.message:
        return f"{text}{_(': ')}{_(event.message)}"
    seconds = _("in {seconds:.1f} s", seconds=event.seconds)
    return f"{text} {seconds}"


class PlainLines:
    """Writes each event to stderr as a line: seconds since the start, node, text."""

    def __init__(self, *, verbose: bool) -> None:
        self._verbose = verbose
        self._start = time.monotonic()
        self._guard = threading.Lock()
        self._explained: set[tuple[str, str, str]] = set()

    def __call__(self, event: Event) -> None:
        text = sentence(self._once(event), verbose=self._verbose)
        if not text:
            return
        seconds = time.monotonic() - self._start
        first, *rest = [printable(line) for line in text.splitlines()]
        with self._guard:
            say(f"[{seconds:6.1f} s] {event.node or _('lab')}{_(': ')}{first}", err=True)
            for line in rest:
                say(f"           {line}", err=True)

    def _once(self, event: Event) -> Event:
        """Return a failed check without its explanation if that was printed for another check."""
        if not isinstance(event, CheckEnded) or not event.outcome.bad:
            return event
        explanation = (event.node, event.wrong, event.because)
        if explanation in self._explained:
            return replace(event, wrong="", because="")
        self._explained.add(explanation)
        return event
