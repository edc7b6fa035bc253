"""The lab of one student."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Protocol

from labctl.classroom.naming import tagged
from labctl.lab.definition import LabDefinition
from labctl.lab.lab import Lab
from labctl.lab.node_list import NodeList
from labctl.lab.workspace import Workspace
from labctl.machines import providers

if TYPE_CHECKING:
    from labctl.config.model import LabSpec
    from labctl.config.playbook_settings import PlaybookSettings
    from labctl.events import Event
    from labctl.machines.base import Machines
    from labctl.machines.site import Site
    from labctl.provision.loader import Playbook
    from labctl.remote.passwords import Passwords


class Room(Protocol):
    """What a student's lab needs of its class; `labctl.classroom.room` has it."""

    workspace: Workspace
    passwords: Passwords

    def place(self, student: str) -> Workspace: ...

    def pass_on(self, event: Event) -> None: ...

    def whole_spec(self) -> LabSpec: ...

    def playbooks(self, extra: Iterable[str] = ()) -> tuple[Playbook, ...]: ...

    def site_of(self, student: str) -> Site: ...


class StudentDefinition(LabDefinition):
    """The definition of a student's lab: that of the class, with a name of its own."""

    def __init__(self, room: Room, node_list: NodeList) -> None:
        super().__init__(room.workspace, {})
        self._room = room
        self._nodes = node_list

    def read(self, own: Mapping[str, PlaybookSettings] | None = None) -> LabSpec:
        """Return the student's lab; the class's lab.yaml is read once for all students.

        Parameters:
            own: not used; the class has the settings of its own playbooks.
        """
        from labctl.config.model import with_values
        from labctl.config.sections import Machine

        spec = with_values(self._room.whole_spec(), name=self._nodes.lab)
        if self._nodes.existing is None:
            return spec
        ((name, target),) = self._nodes.existing.items()
        machine = Machine(
            name=name,
            host=target.host,
            port=target.port,
            user=target.user or None,
            key=target.keys[0] if target.keys else None,
        )
        return with_values(spec, machines=(machine,))


class StudentLab(Lab):
    """The lab of a student of a class; its events name nodes as the class does.

    Parameters:
        room: the class.
        student: the student's id.
        node_list: the student's nodes.
        read_only: write nothing to this computer.
    """

    def __init__(self, room: Room, student: str, node_list: NodeList, *, read_only: bool) -> None:
        super().__init__(
            room.place(student),
            StudentDefinition(room, node_list),
            emit=tagged(student, room.pass_on),
            passwords=room.passwords,
            read_only=read_only,
        )
        self._node_list = node_list
        self._room = room
        self._student = student

    @property
    def site(self) -> Site | None:
        return self._room.site_of(self._student)

    def playbooks(self, extra: Iterable[str] = ()) -> tuple[Playbook, ...]:
        books = self._room.playbooks(extra)
        # The class may only now have the keys of its own playbooks.
        self.spec = StudentDefinition(self._room, self._node_list).read()
        return books

    @property
    def provider(self) -> str:
        site = self.site
        return "libvirt" if site is not None and site.host is not None else super().provider

    def machines(self) -> Machines:
        site = self.site
        if site is None or site.host is None:
            return super().machines()
        from labctl.machines.hosted import HostedMachines

        log = self.workspace.log
        return HostedMachines(
            site.host,
            site,
            self.node_names,
            self.workspace.state,
            providers.get("libvirt"),
            lambda node: log(node or "lab", "vagrant"),
            self.spec.boot_timeout,
            self.stop,
            self.emit,
        )
