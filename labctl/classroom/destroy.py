"""Remove students' machines, their networks and places; move a student to another host."""

from __future__ import annotations

import shutil
from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace

from labctl.classroom import prepare
from labctl.classroom.plan import plan
from labctl.classroom.room import Classroom
from labctl.classroom.students import Stray, Student
from labctl.errors import LabctlError, MachineError, UsageError
from labctl.events import Notice
from labctl.lab.actions import lifecycle
from labctl.lab.index import LabIndex
from labctl.lab.lab import Lab
from labctl.lab.search import has_machines
from labctl.messages import msg
from labctl.parallel import Result


def doomed(room: Lab, limit: Iterable[str]) -> list[str]:
    """Return the machines that `destroy` would remove, as STUDENT/NODE.

    Raises:
        UsageError: the class consists of existing machines.
    """
    assert isinstance(room, Classroom)
    if not room.uses_vagrant:
        raise UsageError(
            "labctl does not destroy existing machines",
            hint="remove them from the roster, or destroy them yourself",
        )
    limit = list(limit)
    if limit:
        room.select(limit)  # a wrong name is an error before anything is asked
    known = [one for one in room.students if has_machines(room.place(one.id).state)]
    left = [one for one in room.record.students.values() if one.left and one not in known]
    known += [one for one in left if not limit and has_machines(room.place(one.id).state)]

    def look(lab: Lab, nodes: Sequence[str]) -> list[Result[None]]:
        try:
            names = lifecycle.doomed(lab, nodes if limit else ())
        except MachineError:  # its host does not answer; `destroy` says so
            names = [name for name in lab.state.known_nodes() if not limit or name in nodes]
        return [Result(name) for name in names]

    return [result.node for result in room.on_students(look, limit, students=known)]


def destroy(room: Lab, names: Sequence[str]) -> list[Result[None]]:
    """Remove machines, and what is left of students who have none any more.

    Parameters:
        room: the class.
        names: from `doomed`.
    """
    assert isinstance(room, Classroom)
    nodes: dict[str, list[str]] = {}
    for name in names:
        student, _, node = name.partition("/")
        nodes.setdefault(student, []).append(node)
    students = [room.record.students[student] for student in nodes]

    def work(lab: Lab, chosen: Sequence[str]) -> list[Result[None]]:
        student = room.student_of(lab)
        results = lifecycle.destroy(lab, nodes[student.id])
        site = lab.site
        if not has_machines(lab.workspace.state) and site is not None:
            if site.host is not None:
                prepare.remove_networks(site.host, [site])
            _forget(room, student)
        return results

    results = room.on_students(work, cap=8, students=students)
    room.save()
    if not any(has_machines(room.place(one).state) for one in room.record.students):
        room.state.forget_identity()
        LabIndex().strike(room.workspace.state)
    return results


def _forget(room: Classroom, student: Student) -> None:
    """Free the place of a student, and forget one who left the roster."""
    if student.left:
        room.record.students.pop(student.id, None)
        shutil.rmtree(room.place(student.id).state, ignore_errors=True)
    else:
        room.update(replace(student, placed="", number=-1))


def move(
    room: Classroom,
    to: str = "",
    *,
    without: Collection[str] = (),
    overcommit: bool = False,
) -> dict[str, str]:
    """Give the chosen students another host; their machines on the old one are removed.

    Machines on a host that does not answer are removed when it does, by the next `up`.

    Parameters:
        room: the class, with the chosen students.
        to: the new host; empty: the one with most room.
        without: hosts that are no choice.
        overcommit: place more than the hosts have.

    Returns:
        The new host of each student, by id.

    Raises:
        UsageError: the class has no such host, or no other one.
        LabctlError: no host has room; nothing was removed.
    """
    if to and to not in room.hosts:
        raise UsageError(
            msg("this class has no host '{name}'", name=to),
            hint=msg("available: {names}", names=", ".join(room.hosts)),
        )
    if len(room.hosts) < 2:
        raise UsageError("this class has no other host", hint="add one to 'hosts' in lab.yaml")
    moved: dict[str, str] = {}
    for student in room.students:
        others = {name for name in room.hosts if name not in without and name != student.placed}
        wanted = {to} if to else others
        left_out = [name for name in room.hosts if name not in wanted]
        room.update(replace(student, placed="", number=-1))
        try:
            planned = plan(room, without=left_out, overcommit=overcommit)
        finally:
            room.update(student)
        if student.id not in planned.places:
            raise LabctlError(planned.missing[student.id], node=student.id)
        moved[student.id] = planned.places[student.id]
        if moved[student.id] == student.placed:
            continue
        _leave(room, student)
        room.update(replace(student, placed=moved[student.id], number=-1))
        room.save()
    return moved


def _leave(room: Classroom, student: Student) -> None:
    """Remove a student's machines from their host, or note that they are still there."""
    host = room.hosts.get(student.placed)
    lab = room.student_lab(student)
    if host is None or not has_machines(lab.workspace.state):
        return
    try:
        host.make()
        host.states()
        site = room.site_of(student.id)
        prepare.remove_machines(host, site)
        prepare.remove_networks(host, [site])
    except LabctlError as error:
        room.record.strays.append(Stray(student.id, student.placed))
        room.emit(Notice(student.id, error.message))
    with lab.state.locked("move"):
        for node in lab.state.known_nodes():
            lab.hostkeys.forget(node)
            lab.state.forget(node)
        lab.state.forget_identity()
        for name in (".vagrant", "at-work"):
            shutil.rmtree(lab.workspace.state / name, ignore_errors=True)
        lab.workspace.vagrantfile.unlink(missing_ok=True)
