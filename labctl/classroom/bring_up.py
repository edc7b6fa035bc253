"""Bring up the labs of many students: hosts first, then machines side by side, then their work."""

from __future__ import annotations

import os
import threading
from collections.abc import Collection, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import replace

from labctl.classroom import prepare
from labctl.classroom.plan import plan, settle, unplaced
from labctl.classroom.room import Classroom
from labctl.classroom.students import Student
from labctl.errors import Interrupted, LabctlError, MachineError
from labctl.events import Notice, Phase, PhaseEntered
from labctl.lab.actions.node_run import NodeRun, ProvisionOptions
from labctl.lab.actions.provision import provision
from labctl.lab.actions.up import boot, check_install_key
from labctl.lab.claim import claim
from labctl.lab.lab import Lab
from labctl.machines.box_volume import volume
from labctl.machines.libvirt_host import LibvirtHost
from labctl.messages import msg
from labctl.parallel import Result

STARTS = max(4, 2 * (os.cpu_count() or 2))
"""Labs that this computer brings up at once: each Vagrant takes a processor for seconds."""


class HostGate:
    """Limits how many labs are brought up on a host at once, and gives up a host that is lost.

    Parameters:
        host: the host; None: existing machines, or a provider of this computer.
        cap: labs at once.
    """

    def __init__(self, host: LibvirtHost | None, cap: int) -> None:
        self._host = host
        self._slots = threading.Semaphore(cap)
        self._lost: LabctlError | None = None
        self.prepared: Future[None] | None = None

    @contextmanager
    def slot(self, all_slots: threading.Semaphore) -> Iterator[None]:
        """Wait for a free place on the host and on this computer.

        Raises:
            LabctlError: the host could not be prepared, or was lost.
        """
        if self.prepared is not None:
            try:
                self.prepared.result()
            except LabctlError as error:
                self._lost = error
        with self._slots, all_slots:
            if self._lost is not None:
                # An error of its own for each student, because an error names one node.
                lost = self._lost
                raise MachineError(lost.message, hint=lost.hint, details=lost.details)
            yield

    def failed(self) -> None:
        """Look whether the host still answers, after a lab on it failed."""
        if self._host is None or self._lost is not None:
            return
        try:
            self._host.virsh(["version --daemon"], 30.0)
        except MachineError as error:
            self._lost = error


def up(
    room: Classroom,
    options: ProvisionOptions,
    *,
    without: Collection[str] = (),
    overcommit: bool = False,
) -> list[Result[NodeRun]]:
    """Bring up, provision and verify the labs of the chosen students.

    A student's failure stops nobody else, and the next run resumes.

    Parameters:
        room: the class, with the chosen students.
        options: how to provision.
        without: names of hosts to leave out.
        overcommit: place more than the hosts have.

    Returns:
        A result for each node, in the order of the students; one for a student whose lab failed
        as a whole.

    Raises:
        LabctlError: a problem of the whole class; no machine was touched.
    """
    chosen = [one for one in room.students if not one.left]
    check_install_key(room, options)
    room.playbooks(options.extra)
    planned = plan(room, without=without, overcommit=overcommit)
    settle(room, planned)
    chosen = [room.record.students[one.id] for one in chosen]
    errors = unplaced(chosen, planned)
    if room.uses_vagrant:
        room.state.save_provider(room.provider)
        room.state.keep_identity(room.name, room.spec.network)
        claim(room)
    going = [one for one in chosen if one.id not in errors]
    gates = _gates(room, going)
    starts, work = threading.Semaphore(STARTS), threading.Semaphore(room.spec.parallel)
    first = _FirstAlone() if room.uses_vagrant and not room.hosts else None

    def bring(lab: Lab, nodes: Sequence[str]) -> list[Result[NodeRun]]:
        student = room.student_of(lab)
        gate = gates[student.placed]
        try:
            with ExitStack() as stack:
                for node in nodes:
                    lab.emit(PhaseEntered(node, Phase.WAITING))
                stack.enter_context(gate.slot(starts))
                if first is not None:
                    stack.enter_context(first.turn())
                if lab.stop.requested.is_set():
                    raise Interrupted("not started")
                booted = boot(lab, nodes, gate.failed, install_key=options.install_key)
        except LabctlError as error:
            for node in nodes:
                lab.emit(PhaseEntered(node, Phase.FAILED, error.message))
            raise
        ready = [result.node for result in booted if result.ok]
        lost = [
            Result[NodeRun](result.node, None, result.error) for result in booted if result.error
        ]
        if not ready:
            return lost
        with work:
            done = provision(lab, ready, options)
        found = {result.node: result for result in (*lost, *done)}
        return [found[name] for name in lab.node_names if name in found]

    with ThreadPoolExecutor(max_workers=max(1, len(room.hosts))) as pool:
        for name, gate in gates.items():
            if name in room.hosts:
                on_it = [one for one in going if one.placed == name]
                gate.prepared = pool.submit(prepare_host, room, room.hosts[name], on_it)
        results = room.on_students(bring, cap=max(1, len(going)), students=going)
    for student, error in errors.items():
        room.emit(PhaseEntered(student, Phase.FAILED, error.message))
        results.append(Result(student, None, error))
    order = {one.id: index for index, one in enumerate(chosen)}
    return sorted(results, key=lambda result: order[result.node.partition("/")[0]])


class _FirstAlone:
    """Lets one lab boot before the others may: imports of a box, which it does, race."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._done = False

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Wait until the first lab is up, or be the first."""
        with self._lock:
            if not self._done:
                yield
                self._done = True
                return
        yield


def _gates(room: Classroom, students: Sequence[Student]) -> dict[str, HostGate]:
    spec = room.spec.class_spec
    caps = {one.name: one.parallel for one in spec.hosts} if spec is not None else {}
    return {
        name: HostGate(room.hosts.get(name), caps.get(name, STARTS))
        for name in {one.placed for one in students}
    }


def prepare_host(room: Classroom, host: LibvirtHost, students: Sequence[Student]) -> None:
    """Make the pool, the box's volume and the students' networks on a host.

    Raises:
        LabctlError: the host does not answer, or refused something.
    """

    def say(text: str) -> None:
        room.emit(Notice("", text))

    images = []
    for box in dict.fromkeys((room.spec.box, *(n.box for n in room.spec.node_options if n.box))):
        with room.box_lock:
            image = volume(box, lambda name: say(msg("downloading the box {box}", box=name)))
        if image is not None:
            images.append((image, room.digest(image)))
    with prepare.reserved(host):
        if any(stray.host == host.name for stray in room.record.strays):
            remove_strays(room, host)
        found = prepare.survey(host)
        for image, digest in images:
            if prepare.send_box(host, found, image, digest):
                say(msg("host {host} has the box {box}", host=host.name, box=image.name))
        wanted = {one.id: one.number for one in students}
        labs = {one.id: room.site_of(one.id).lab for one in students}
        for student, number in prepare.number_networks(host, found, wanted, labs).items():
            room.update(replace(room.record.students[student], number=number))
        room.save()
        prepare.make_networks(host, found, [room.site_of(one.id) for one in students])


def remove_strays(room: Classroom, host: LibvirtHost) -> None:
    """Remove machines that were left on a host that did not answer when students were moved."""
    for stray in [one for one in room.record.strays if one.host == host.name]:
        site = replace(room.site_of(stray.student), host=host)
        prepare.remove_machines(host, site)
        prepare.remove_networks(host, [site])
        room.record.strays.remove(stray)
        room.emit(Notice(stray.student, msg("removed what was left on {host}", host=host.name)))
    room.save()
