"""Which host each student's machines are on. Pure: students and capacities in, a plan out."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from labctl.classroom.capacity import Capacity
from labctl.classroom.students import Student
from labctl.messages import msg

GROWTH = 10 * 1024
"""MiB by which the disk of a machine may grow, if lab.yaml gives it no size."""


@dataclass(frozen=True, slots=True)
class Need:
    """What one student's machines ask for, in MiB."""

    memory: int
    disk: int


@dataclass(frozen=True, slots=True)
class HostPlan:
    """A host and what is asked of it.

    Parameters:
        name: of the host.
        memory, disk: MiB that its students ask for.
        capacity: what it has; None: it did not answer.
        students: how many are placed there.
        problem: why it did not answer.
    """

    name: str
    memory: int
    disk: int
    capacity: Capacity | None
    students: int
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Plan:
    """A placement.

    Parameters:
        places: the host of each student, by id.
        hosts: what is asked of each host.
        missing: for each student without a place, the reason.
        short: hosts of which more is asked than they have; sentences.
    """

    places: dict[str, str]
    hosts: tuple[HostPlan, ...]
    missing: dict[str, str] = field(default_factory=dict)
    short: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """Return the plan's totals as plain values."""
        return {"ok": not self.missing and not self.short, "short": list(self.short)}


def place(
    students: Sequence[Student],
    hosts: Mapping[str, Capacity | str],
    need: Need,
    *,
    without: Collection[str] = (),
    overcommit: bool = False,
) -> Plan:
    """Place students on hosts.

    A student who has a place keeps it. The others go, in the roster's order, to the host with most
    memory left.

    Parameters:
        students: to place.
        hosts: the capacity of each host, or why it did not answer.
        need: of one student.
        without: hosts to leave out. Their students are not placed elsewhere.
        overcommit: place more than hosts have.
    """
    places: dict[str, str] = {}
    missing: dict[str, str] = {}
    rooms = {name: found for name, found in hosts.items() if isinstance(found, Capacity)}
    rooms = {name: found for name, found in rooms.items() if name not in without}
    count = dict.fromkeys(hosts, 0)
    for student in students:
        if not student.placed:
            continue
        if student.placed in without or student.placed not in hosts:
            missing[student.id] = msg("its host {host} is left out", host=student.placed)
            continue
        places[student.id] = student.placed
        count[student.placed] += 1

    def left(name: str) -> int:
        return rooms[name].memory - count[name] * need.memory

    def fits(name: str) -> bool:
        disk = rooms[name].disk
        enough = disk is None or (count[name] + 1) * need.disk <= disk
        return left(name) >= need.memory and enough

    for student in students:
        if student.id in places or student.id in missing:
            continue
        fitting = [name for name in rooms if overcommit or fits(name)]
        if not fitting:
            missing[student.id] = msg("no host has {memory} MiB left", memory=need.memory)
            continue
        best = max(fitting, key=left)
        places[student.id] = best
        count[best] += 1
    planned = tuple(
        HostPlan(
            name,
            count[name] * need.memory,
            count[name] * need.disk,
            found if isinstance(found, Capacity) else None,
            count[name],
            found if isinstance(found, str) else "",
        )
        for name, found in hosts.items()
        if name not in without
    )
    short = () if overcommit else tuple(filter(None, map(_short, planned)))
    return Plan(places, planned, missing, short)


def _short(host: HostPlan) -> str:
    """Return what a host lacks for the students that it has; empty if nothing."""
    room = host.capacity
    if room is not None and host.memory > room.memory:
        return msg(
            "{host} lacks {missing} MiB of memory",
            host=host.name,
            missing=host.memory - room.memory,
        )
    return ""
