"""Conflicts on a node, found before the first change and reported together.

A playbook's play.py may have a function ``preflight(play)`` that yields `Preflight` objects. Their
probes travel in the first exchange of a run, with the probes of the resources. If any of them
finds an obstacle, nothing is changed on that node. `labctl doctor NODE` runs the same checks alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from labctl.errors import NotReady
from labctl.messages import joined, msg
from labctl.remote.exchange import Observed, legible


@dataclass(frozen=True, slots=True)
class Obstacle:
    """Something about a node that is in the way.

    Parameters:
        message: what it is, in one line.
        remedy: the command, or the line of lab.yaml, that solves it.
        what: the thing, in two or three words; default: `Preflight.what`.
    """

    message: str
    remedy: str
    what: str = ""


@dataclass(frozen=True, slots=True)
class Findings:
    """The result of a preflight.

    Parameters:
        obstacles: what labctl stops at.
        warnings: what is wrong and does not stop labctl; shown in every run that looks.
        notices: what is there; shown when labctl first works on a machine.
        passed: (thing, state) of what is in order; shown by the doctor alone.
    """

    obstacles: Sequence[Obstacle] = ()
    warnings: Sequence[Obstacle] = ()
    notices: Sequence[str] = ()
    passed: Sequence[tuple[str, str]] = field(default=())


class Preflight(Protocol):
    """A check before the first change."""

    @property
    def id(self) -> str:
        """Its id: ``preflight:engine``."""
        ...

    @property
    def what(self) -> str:
        """What it is about, in two or three words, for the table of `labctl doctor`."""
        ...

    @property
    def at_first_contact(self) -> bool:
        """True if it is for `labctl doctor` and for labctl's first run on an existing machine only.

        The doctor runs such a probe as the login user, if that user cannot become root.
        """
        ...

    def probe(self) -> str:
        """Return POSIX sh that changes nothing. A non-zero exit code is an observation."""
        ...

    def examine(self, observed: Observed) -> Findings:
        """Return what the output of the probe means.

        Raises:
            ValueError: the output makes no sense; the text says why.
        """
        ...


def examine(
    checks: Iterable[Preflight], seen: Iterable[Observed], node: str, *, first_contact: bool
) -> tuple[list[str], NotReady | None]:
    """Return what to show of all checks, and the error for their obstacles, if there are any."""
    obstacles: list[Obstacle] = []
    notices: list[str] = []
    for check, observed in zip(checks, seen, strict=True):
        found = findings(check, observed)
        obstacles += found.obstacles
        notices += found.notices if first_contact else ()
        notices += map(one_line, found.warnings)
    return notices, not_ready(obstacles, node) if obstacles else None


def findings(check: Preflight, observed: Observed) -> Findings:
    """Return what a check found; an output that makes no sense is an obstacle."""
    try:
        return check.examine(observed)
    except ValueError as error:
        return Findings((Obstacle(msg("{what}: {why}", what=check.id, why=error), ""),))


def one_line(one: Obstacle) -> str:
    """Return a message with its remedy."""
    if not one.remedy:
        return one.message
    return msg("{message} → {remedy}", message=one.message, remedy=one.remedy)


def not_ready(obstacles: Sequence[Obstacle], node: str) -> NotReady:
    """Return the error that lists obstacles with their remedies."""
    lines = [_line(one) for one in obstacles]
    if len(obstacles) == 1:
        message = obstacles[0].message
        return NotReady(
            msg("nothing was changed: {why}", why=message).map(legible),
            resource="preflight",
            hint=obstacles[0].remedy,
            node=node,
        )
    return NotReady(
        msg("nothing was changed because of {count} conflicts", count=len(obstacles)),
        resource="preflight",
        hint=msg("resolve them on the node or in lab.yaml, then run the same command again"),
        details=joined(lines, "{first}\n{then}"),
        node=node,
    )


def _line(one: Obstacle) -> str:
    if not one.remedy:
        return msg("- {message}", message=one.message)
    return msg("- {message}\n  → {remedy}", message=one.message, remedy=one.remedy)
