"""Machines of one student on a libvirt host: Vagrant makes them, libvirt itself answers about them.

A question to Vagrant costs a second and a half of this computer's processor, for each machine, and
half a minute for a machine without an address. libvirt answers for all machines of a host at once.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

from labctl.errors import MachineError
from labctl.events import Emit
from labctl.machines.base import MachineState
from labctl.machines.libvirt_host import LibvirtHost
from labctl.machines.site import POOL, Site
from labctl.machines.vagrant import VagrantMachines
from labctl.machines.vagrant_program import made
from labctl.messages import msg
from labctl.remote.target import Target

_STATES = {
    "running": MachineState.RUNNING,
    "idle": MachineState.RUNNING,
    "paused": MachineState.SUSPENDED,
    "shut off": MachineState.STOPPED,
    "crashed": MachineState.STOPPED,
    "in shutdown": MachineState.RUNNING,
}

_LEASE = re.compile(r"\bipv4\s+(\d+\.\d+\.\d+\.\d+)/")


class HostedMachines(VagrantMachines):
    """The machines of a student's Vagrantfile, on a libvirt host that was prepared for them.

    Parameters:
        host: the host.
        site: the student's place there.
        nodes: the names of the lab's nodes.
        arguments: of `VagrantMachines`.
    """

    def __init__(
        self, host: LibvirtHost, site: Site, nodes: Sequence[str], *arguments: Any
    ) -> None:
        super().__init__(*arguments)
        self._nodes = nodes
        self._host = host
        self._site = site

    def _look(self) -> dict[str, MachineState]:
        there = self._host.states()
        return {
            node: _STATES.get(there[domain], MachineState.UNKNOWN)
            for node in dict.fromkeys((*self._nodes, *sorted(made(self._root))))
            if (domain := self._site.domain(node)) in there
        }

    def up(self, node: str, *, emit: Emit, booting: Callable[[], None]) -> Target:
        self._host.forget_states()
        return super().up(node, emit=emit, booting=booting)

    def target(self, node: str) -> Target:
        key = self._root / ".vagrant" / "machines" / node / "libvirt" / "private_key"
        if not key.exists():  # it is not Vagrant's usual one
            return super().target(node)
        domain = self._site.domain(node)
        found = _LEASE.search(self._host.virsh([f"domifaddr {domain}"]))
        if found is None:
            raise MachineError(msg("the machine has no address"), node=node)
        return Target(node, found[1], user="vagrant", keys=(str(key),), proxy=self._host.proxy)

    def destroy(self, node: str, *, emit: Emit) -> None:
        """Remove a machine and its disk, even if Vagrant does not know it any more."""
        self._host.forget_states()
        if node in made(self._root):
            super().destroy(node, emit=emit)
        domain = self._site.domain(node)
        self._host.forget_states()
        if domain in self._host.states():
            if self._host.virsh([f"desc {domain}"]).strip() != self._site.owner:
                raise MachineError(
                    msg(
                        "{host} has a machine {domain} that is not this class's",
                        host=self._host.name,
                        domain=domain,
                    ),
                    node=node,
                    hint="set another 'name' in lab.yaml",
                )
            self._host.virsh(
                [
                    f"destroy {domain}",
                    f"undefine {domain} --managed-save --snapshots-metadata --nvram",
                ]
            )
            self._host.forget_states()
        volumes = self._host.virsh([f"vol-list {POOL}"])
        if f"{domain}.img" in volumes.split():
            self._host.virsh([f"vol-delete {domain}.img --pool {POOL}"])

    def alone_first(self, nodes: Sequence[str]) -> bool:
        return False
