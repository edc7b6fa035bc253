"""Where one student's machines are: the host, and networks of their own."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from labctl.machines.libvirt_host import LibvirtHost

POOL = "default"
"""The storage pool of libvirt that the machines' disks are in."""


@dataclass(frozen=True, slots=True)
class Site:
    """The place of one student's machines among those of others, who have the same addresses.

    Parameters:
        lab: the name of the student's lab, which is a prefix of all names on the host.
        owner: marks the class's machines on a host, among those of others.
        host: the libvirt host; None: the provider's own on this computer.
        number: of the management network, 0 to 255.
    """

    lab: str
    owner: str = ""
    host: LibvirtHost | None = None
    number: int = 0

    @property
    def network(self) -> str:
        """The name of the private network: isolated from the host, and from other students."""
        return f"{self.lab}-lab"

    @property
    def management(self) -> str:
        """The name of the network by which labctl reaches the machines."""
        return f"{self.lab}-mgmt"

    @property
    def management_address(self) -> str:
        """The range of the management network."""
        return f"10.201.{self.number}.0/24"

    def domain(self, node: str) -> str:
        """Return libvirt's name of a machine."""
        return f"{self.lab}-{node}"

    def definitions(self) -> dict[str, str]:
        """Return libvirt's XML of both networks, by their names.

        Each bridge has a name of its own: libvirt's search for a free one races.
        """
        digest = hashlib.sha256(f"{self.owner} {self.lab}".encode()).hexdigest()[:10]
        base = self.management_address.removesuffix("0/24")
        return {
            self.management: f"""<network>
  <name>{self.management}</name>
  <forward mode='nat'/>
  <bridge name='lm-{digest}' stp='on' delay='0'/>
  <ip address='{base}1' netmask='255.255.255.0'>
    <dhcp><range start='{base}2' end='{base}254'/></dhcp>
  </ip>
</network>
""",
            self.network: f"""<network>
  <name>{self.network}</name>
  <bridge name='lp-{digest}' stp='on' delay='0'/>
</network>
""",
        }

    def values(self) -> dict[str, object]:
        """Return what templates of the Vagrantfile need.

        Raises:
            MachineError: the host does not answer.
        """
        found: dict[str, object] = {
            "site": {
                "network": self.network,
                "management": self.management,
                "management_address": self.management_address,
                "owner": self.owner,
                "pool": POOL,
                "uri": self.host.libvirt_uri if self.host else "",
                "proxy": self.host.proxy if self.host else "",
            }
        }
        return found | ({"emulated": self.host.connect()} if self.host else {})
