"""The node's clock, compared with that of this computer."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime

from labctl.messages import msg
from labctl.provision.resources.base import Change, Observed, shell_script

TOLERANCE = 300
"""Seconds of difference that harm nothing. The first look at a node may take a minute."""
RELEASED = datetime(2026, 1, 1, tzinfo=UTC).timestamp()
"""This computer's clock is wrong if it is before this labctl."""


@dataclass(frozen=True, slots=True)
class Clock:
    """A clock that is right to a few minutes.

    With a clock that is wrong by years, no certificate is valid. The clock is set from the clock of
    this computer, unless a time server keeps the node's: then this computer's may be the wrong one.

    Parameters:
        now: returns this computer's time, in seconds since 1970.
    """

    now: Callable[[], float] = field(default=time.time, compare=False)

    @property
    def id(self) -> str:
        return "clock"

    def probe(self) -> str:
        return "date +%s"

    def plan(self, observed: Observed) -> Change | None:
        text = observed.output.strip()
        if not text.isdigit():
            raise ValueError(msg("`date` prints no time: {output}", output=text))
        now = self.now()
        if abs(now - int(text)) <= TOLERANCE:
            return None
        theirs, ours = shown(int(text)), shown(now)
        if now < RELEASED:
            raise ValueError(
                msg(
                    "the clock of this computer is wrong: {ours}; the node has {theirs}",
                    ours=ours,
                    theirs=theirs,
                )
            )
        script = shell_script(__file__, "clock_set.sh", now=str(int(now)))
        return Change(msg("set the clock to {time}", time=ours), script, f"-{theirs}\n+{ours}")


def shown(seconds: float) -> str:
    """Return a time for people."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M UTC")
