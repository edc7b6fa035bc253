"""Conflicts on a node, found before the first change and reported together.

A playbook's play.py may have a function ``preflight(play)`` that yields `Preflight` objects. Their
probes travel in the first exchange of a run, with the probes of the resources. If any of them
finds an obstacle, nothing is changed on that node.
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
    """Why a node cannot be provisioned as it is.

    Parameters:
        message: what is in the way, in one line.
        remedy: the command, or the line of lab.yaml, that solves it.
    """

    message: str
    remedy: str


@dataclass(frozen=True, slots=True)
class Findings:
    """The result of a preflight.

    Parameters:
        obstacles: what stands in the way.
        notices: what is there; shown when labctl first works on a machine.
    """

    obstacles: Sequence[Obstacle] = ()
    notices: Sequence[str] = field(default=())


class Preflight(Protocol):
    """A check before the first change."""

    @property
    def id(self) -> str:
        """Its id: ``preflight:engine``."""
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
    checks: Iterable[Preflight], seen: Iterable[Observed], node: str
) -> tuple[list[str], NotReady | None]:
    """Return the notices of all checks, and the error for their obstacles, if there are any."""
    obstacles: list[Obstacle] = []
    notices: list[str] = []
    for check, observed in zip(checks, seen, strict=True):
        try:
            found = check.examine(observed)
        except ValueError as error:
            found = Findings((Obstacle(msg("{what}: {why}", what=check.id, why=error), ""),))
        obstacles += found.obstacles
        notices += found.notices
    return notices, not_ready(obstacles, node) if obstacles else None


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
