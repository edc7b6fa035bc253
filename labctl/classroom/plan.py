"""Ask the hosts for their room, and place the students on them."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

from labctl.classroom import capacity
from labctl.classroom.capacity import Capacity
from labctl.classroom.placement import GROWTH, Need, Plan, place
from labctl.classroom.room import HERE, Classroom
from labctl.classroom.students import Student
from labctl.errors import LabctlError, UsageError
from labctl.machines.libvirt_host import LibvirtHost
from labctl.machines.site import POOL
from labctl.messages import msg
from labctl.parallel import each

_ANSWER = 30.0
"""Seconds in which a host must report its room."""


def need(room: Classroom) -> Need:
    """Return what one student's machines ask for."""
    spec = room.spec
    disks = (node.disk * 1024 if node.disk else GROWTH for node in spec.node_options)
    return Need(sum(node.memory for node in spec.lab_nodes), sum(disks))


def plan(room: Classroom, *, without: Collection[str] = (), overcommit: bool = False) -> Plan:
    """Place the students of a class; nothing is changed.

    Every student of the roster counts, and also those who left it and still have a place, whoever
    was chosen.

    Parameters:
        room: the class.
        without: names of hosts to leave out.
        overcommit: place more than the hosts have.

    Raises:
        UsageError: `without` names no host, or this computer lacks a program.
    """
    for name in without:
        if name not in room.hosts:
            raise UsageError(
                msg("this class has no host '{name}'", name=name),
                hint=msg("available: {names}", names=", ".join(room.hosts)),
            )
    students = [one for one in room.record.students.values() if not one.left or one.placed]
    if room.has_existing:
        return Plan({one.id: one.host for one in students if one.host}, ())
    room.workspace.make()  # the scripts that reach hosts are written there
    asked = [name for name in room.hosts if name not in without]
    rooms: dict[str, Capacity | str] = dict.fromkeys(room.hosts, "")
    if not asked:  # VirtualBox on this computer
        rooms = {HERE: _here(room)} if not room.hosts else rooms
    for result in each(asked, lambda name: ask(room, room.hosts[name]), cap=16, stop=room.stop):
        rooms[result.node] = result.value or (
            result.error.message if result.error else msg("no answer")
        )
    return place(students, rooms, need(room), without=without, overcommit=overcommit)


def ask(room: Classroom, host: LibvirtHost) -> Capacity:
    """Return the capacity of a host, by one connection.

    Raises:
        LabctlError: it did not answer in time.
    """
    host.make()
    emulated = host.connect()
    text = host.virsh([one.format(pool=POOL) for one in capacity.QUESTIONS], _ANSWER)
    spec = room.spec.class_spec
    limits = {one.name: one.memory for one in spec.hosts} if spec is not None else {}
    try:
        return capacity.parse(text, _ours(room, host), limits.get(host.name), emulated=emulated)
    except ValueError as error:
        raise host.lost(msg("libvirt's answer is not usable: {error}", error=error)) from error


def _ours(room: Classroom, host: LibvirtHost) -> set[str]:
    """Return the names of all machines that the class may have on a host."""
    on_it = [one.id for one in room.record.students.values() if one.placed == host.name]
    return {room.site_of(one).domain(node.name) for one in on_it for node in room.spec.lab_nodes}


def _here(room: Classroom) -> Capacity:
    """Return the capacity of this computer for machines of VirtualBox."""
    import shutil

    import psutil

    memory = psutil.virtual_memory().total // (1 << 20) - 2 * capacity.RESERVED
    disk = shutil.disk_usage(room.workspace.folder).free // (1 << 20)
    return Capacity(max(0, memory), disk)


def settle(room: Classroom, planned: Plan) -> None:
    """Keep the places of a plan, so that later runs have the same ones."""
    with room.saving("plan") as record:
        for student, host in planned.places.items():
            one = record.students.get(student)
            if one is not None and not one.host and one.placed != host and host in room.hosts:
                record.students[student] = replace(one, placed=host, number=-1)


def unplaced(students: Sequence[Student], planned: Plan) -> Mapping[str, LabctlError]:
    """Return the error of each student without a place."""
    return {
        one.id: LabctlError(
            planned.missing[one.id],
            node=one.id,
            hint=msg(
                "run `labctl plan`; `labctl move {student}` places the student elsewhere, and "
                "--overcommit places more than the hosts have",
                student=one.id,
            ),
        )
        for one in students
        if one.id in planned.missing
    }
