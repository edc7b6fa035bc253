"""A class that is open for work: the students' labs, and access to all of their nodes at once."""

from __future__ import annotations

import contextlib
import fnmatch
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from labctl.classroom.naming import renamed
from labctl.classroom.student_lab import StudentLab
from labctl.classroom.students import ClassRecord, Student, read_roster
from labctl.config.nearest import suggestion
from labctl.config.node import Node
from labctl.errors import UsageError
from labctl.events import Event, Notice
from labctl.lab.lab import Lab
from labctl.lab.node_list import NodeList
from labctl.lab.selection import split_patterns, unknown_node
from labctl.lab.workspace import Workspace
from labctl.machines.libvirt_host import LOCAL, LibvirtHost
from labctl.machines.site import Site
from labctl.messages import msg
from labctl.parallel import Result, affordable, each
from labctl.remote.target import CONNECT_TIMEOUT, Target

if TYPE_CHECKING:
    from labctl.config.model import LabSpec
    from labctl.machines.box_volume import BoxVolume
    from labctl.provision.loader import Playbook
    from labctl.remote.connection import Connection

T = TypeVar("T")

HERE = "this computer"
"""The name of the host of a class without hosts, in the record."""

_AT_ONCE = 64
"""Nodes that a command such as `exec` reaches at once."""


class Classroom(Lab):
    """A class. As a lab, its nodes are those of the chosen students: ``anna/docker-node1``.

    What connects to nodes (`exec`, `scp`) works on it as on any lab. What changes a student's
    machines or state works on the student's own lab; see `student_lab` and `on_students`.
    """

    _chosen: tuple[Student, ...] | None = None

    def pass_on(self, event: Event) -> None:
        """Emit an event of a student's lab."""
        self.emit(event)

    # -- students

    @property
    def record_file(self) -> Path:
        """The file of the class's record."""
        return self.workspace.state / "students.json"

    @cached_property
    def record(self) -> ClassRecord:
        """Ids and placement; `saving` changes it."""
        record = ClassRecord.read(self.record_file)
        self._current = tuple(record.update(read_roster(self._node_list.roster)))
        return record

    @contextlib.contextmanager
    def saving(self, what: str) -> Iterator[ClassRecord]:
        """Change the record under the class's lock.

        Parameters:
            what: the command, which other processes name while they wait.
        """
        with self.state.locked(what):
            self.__dict__.pop("record", None)
            yield self.record
            self.save()

    def save(self) -> None:
        """Write the record."""
        if not self._read_only:
            with self._guard:
                self.workspace.make()
                self.record.write(self.record_file)

    @cached_property
    def _guard(self) -> threading.RLock:
        return threading.RLock()

    @property
    def students(self) -> tuple[Student, ...]:
        """The students that were chosen; by default all of the roster, in its order."""
        record = self.record
        chosen = self._current if self._chosen is None else self._chosen
        return tuple(record.students[student.id] for student in chosen)

    def choose(self, patterns: Iterable[str]) -> None:
        """Choose students by ids, names or patterns, also several with commas; none: all.

        Raises:
            UsageError: one matches no student, or is empty.
        """
        wanted = split_patterns(patterns)
        if not wanted:
            return
        everybody = tuple(self.record.students.values())
        chosen: dict[str, Student] = {}
        for pattern in wanted:
            found = [one for one in everybody if _matches(one, pattern)]
            if not found:
                raise unknown_student(pattern, [one.id for one in everybody])
            chosen |= {one.id: one for one in found}
        self._chosen = tuple(one for one in everybody if one.id in chosen)

    # -- students' labs

    @cached_property
    def _labs(self) -> dict[str, Lab]:
        return {}

    def student_lab(self, student: Student) -> Lab:
        """Return the lab of a student; its events name nodes as the class does."""
        with self._guard:
            if student.id not in self._labs:
                self._labs[student.id] = self._open(student)
            return self._labs[student.id]

    def place(self, student: str) -> Workspace:
        """Return the paths of a student's lab."""
        own = self.workspace.state / "students" / student
        return replace(self.workspace, state=own)

    def _open(self, student: Student) -> Lab:
        if not self._read_only:
            self.workspace.make()  # a student's folder is below it
        lab = StudentLab(self, student.id, self._nodes_of(student), read_only=self._read_only)
        self.stop.add(lab.stop.request)
        return lab

    def student_of(self, lab: Lab) -> Student:
        """Return the student whose lab this is."""
        return self.record.students[lab.workspace.state.name]

    def _nodes_of(self, student: Student) -> NodeList:
        """Return the nodes of a student's lab, without reading lab.yaml."""
        common = self._node_list
        name = f"{common.lab}-{student.id}"
        if not student.host:
            return NodeList(name, common.nodes, common.parallel, common.existing)
        assert common.login is not None
        node = replace(common.nodes[0], address=None, memory=0, cpus=0)
        target = replace(common.login, name=node.name, host=student.host)
        return NodeList(name, (node,), common.parallel, {node.name: target})

    def site_of(self, student: str) -> Site:
        """Return where a student's machines are.

        Raises:
            UsageError: lab.yaml no longer names their host.
        """
        one = self.record.students[student]
        lab = f"{self.name}-{student}"
        if not one.placed:
            return Site(lab, self.record.owner)
        host = self.hosts.get(one.placed)
        if host is None:
            raise UsageError(
                msg(
                    "{student}: lab.yaml no longer has the host {host}",
                    student=student,
                    host=one.placed,
                ),
                hint=msg("add it again, or run `labctl move {student}`", student=student),
            )
        return Site(lab, self.record.owner, host, max(0, one.number))

    def update(self, student: Student) -> None:
        """Replace a student in the record."""
        with self._guard:
            self.record.students[student.id] = student

    @property
    def has_existing(self) -> bool:
        """True if the roster names an existing machine for each student."""
        return any(student.host for student in self.record.students.values() if not student.left)

    # -- hosts

    @cached_property
    def hosts(self) -> dict[str, LibvirtHost]:
        """The libvirt hosts, by name; empty for existing machines and other providers."""
        room = self.whole_spec().class_spec
        assert room is not None
        folder = self.workspace.state / "hosts"
        found = {
            host.name: LibvirtHost(host.name, host.uri, folder / host.name, host.key or "")
            for host in room.hosts
        }
        if not (found or self.has_existing) and self.provider == "libvirt":
            found = {HERE: LibvirtHost(HERE, LOCAL, folder)}
        for one in found.values():
            self.stop.add(one.interrupt)
        return found

    @cached_property
    def box_lock(self) -> threading.Lock:
        """Held while Vagrant downloads a box: two downloads of one box race."""
        return threading.Lock()

    def digest(self, image: BoxVolume) -> str:
        """Return the digest of a box, which is computed once a run."""
        with self.box_lock:
            if image.path not in self._digests:
                self._digests[image.path] = image.sha256()
            return self._digests[image.path]

    @cached_property
    def _digests(self) -> dict[Path, str]:
        return {}

    # -- as a lab of all nodes

    @property
    def uses_vagrant(self) -> bool:
        return not self.has_existing

    @property
    def nodes(self) -> tuple[Node, ...]:
        return tuple(
            replace(node, name=f"{student.id}/{node.name}")
            for student in self.students
            for node in self._nodes_of(student).nodes
        )

    @cached_property
    def parallel(self) -> int:
        nodes = len(self.nodes)
        return affordable(_AT_ONCE, nodes, lambda text: self.emit(Notice("", text)))

    def select(self, limit: Iterable[str] = ()) -> list[str]:
        """Return the nodes that `limit` chooses; a name without a student means every student's."""
        names = self.node_names
        patterns = split_patterns(limit)
        for pattern in patterns:
            if not any(_is_node(name, pattern) for name in names):
                raise unknown_node(pattern, names)
        return [
            name for name in names if not patterns or any(_is_node(name, one) for one in patterns)
        ]

    def split(self, name: str) -> tuple[Lab, str]:
        """Return the lab and the node that ``anna/docker-node1`` means.

        Raises:
            UsageError: the class has no such student or node.
        """
        student, _, node = name.partition("/")
        everybody = self.record.students
        if student not in everybody:
            raise unknown_student(student, list(everybody))
        lab = self.student_lab(everybody[student])
        return lab, lab.node(node).name

    def target(self, name: str) -> Target:
        lab, node = self.split(name)
        return lab.target(node)

    def connection(
        self, name: str, *, patience: float = 0.0, timeout: float = CONNECT_TIMEOUT
    ) -> Connection:
        lab, node = self.split(name)
        lab.workspace.make()
        return lab.connection(node, patience=patience, timeout=timeout)

    # -- work on students

    def whole_spec(self) -> LabSpec:
        """Return lab.yaml as it was read; students' labs ask from several threads."""
        with self._guard:
            return self.spec

    def playbooks(self, extra: Iterable[str] = ()) -> tuple[Playbook, ...]:
        """Load the playbooks once for all students; see `Lab.playbooks`."""
        with self._guard:
            return super().playbooks(extra)

    def on_students(
        self,
        work: Callable[[Lab, Sequence[str]], Sequence[Result[T]]],
        limit: Iterable[str] = (),
        *,
        cap: int | None = None,
        students: Sequence[Student] | None = None,
    ) -> list[Result[T]]:
        """Do something to the nodes of each chosen student, several students at once.

        Parameters:
            work: does it, with a student's lab and the names of the chosen nodes there.
            limit: names or patterns of nodes, as `select` takes them; none: all.
            cap: students at once; None: as many as a lab's nodes.
            students: None: those that were chosen.

        Returns:
            The results of all nodes, under their names in the class. A student whose lab failed as
            a whole has one result, under the student's id.
        """
        everybody = self.students if students is None else students
        nodes: dict[str, list[str]] = {one.id: [] for one in everybody}
        for name in self.select(limit):
            student, _, node = name.partition("/")
            if student in nodes:
                nodes[student].append(node)
        wanted = {one.id: one for one in everybody if nodes[one.id]}

        def one(student: str) -> Sequence[Result[T]]:
            return work(self.student_lab(wanted[student]), nodes[student])

        found = each(list(wanted), one, cap=cap or self._node_list.parallel, stop=self.stop)
        return [result for student in found for result in renamed(student)]


def _matches(student: Student, pattern: str) -> bool:
    return fnmatch.fnmatchcase(student.id, pattern) or pattern in (student.name, student.full_name)


def _is_node(name: str, pattern: str) -> bool:
    of_node = name.partition("/")[2]
    return fnmatch.fnmatchcase(name if "/" in pattern else of_node, pattern)


def unknown_student(name: str, students: Sequence[str]) -> UsageError:
    """Return the error for a student that the class does not have."""
    known = msg("available: {names}", names=", ".join(students))
    return UsageError(
        msg("this class has no student '{name}'", name=name), hint=suggestion(name, students, known)
    )
