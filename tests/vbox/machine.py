"""The record of a machine, stored as JSON in its folder."""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass, field
from typing import Any

SLOTS = 8
# The kinds of network that a NIC can be attached to here.
KINDS = ("none", "nat", "hostonly", "intnet")
SAVED_STATE = "saved-state"
DISK = "disk.vmdk"
"""Name of a machine's disk, whose format Vagrant takes from it. What is in it is qcow2."""


def new_mac() -> str:
    """A MAC address in the range that belongs to VirtualBox."""
    return "080027" + os.urandom(3).hex().upper()


def new_uuid() -> str:
    """A UUID. Its module loads slowly, and most calls make none."""
    from uuid import uuid4

    return str(uuid4())


@dataclass
class Forward:
    """A port of the host that leads to one of the machine."""

    name: str
    protocol: str
    host: str
    host_port: int
    guest: str
    guest_port: int

    def rule(self) -> str:
        """The rule as `--natpf` takes it and `showvminfo` prints it."""
        return (
            f"{self.name},{self.protocol},{self.host},{self.host_port},"
            f"{self.guest},{self.guest_port}"
        )


@dataclass
class Nic:
    """A network adapter. One of kind "none" does not exist in the guest."""

    kind: str = "none"
    mac: str = field(default_factory=new_mac)
    adapter: str = ""
    model: str = "82540EM"
    cable: bool = True
    forwards: list[Forward] = field(default_factory=list)
    settings: dict[str, str] = field(default_factory=dict)


@dataclass
class Shared:
    """A shared folder. The guest has no driver for it, so it is only remembered."""

    name: str
    path: str
    transient: bool = False


@dataclass
class Hardware:
    """The settings that `modifyvm` changes and a snapshot keeps."""

    memory: int = 512
    cpus: int = 1
    nics: dict[int, Nic] = field(default_factory=dict)
    settings: dict[str, str] = field(default_factory=dict)

    @classmethod
    def read(cls, stored: dict[str, Any]) -> Hardware:
        """From JSON."""
        nics = {}
        for slot, nic in stored["nics"].items():
            forwards = [Forward(**forward) for forward in nic["forwards"]]
            nics[int(slot)] = Nic(**{**nic, "forwards": forwards})
        return cls(**{**stored, "nics": nics})

    def copy(self) -> Hardware:
        """The same, to be changed alone."""
        return Hardware.read(asdict(self))

    def nic(self, slot: int) -> Nic:
        """The adapter in a slot, made if there was none."""
        return self.nics.setdefault(slot, Nic())

    def attached(self) -> list[tuple[int, Nic]]:
        """The adapters that the guest sees, in its order."""
        return [(slot, nic) for slot, nic in sorted(self.nics.items()) if nic.kind != "none"]


@dataclass
class Snapshot:
    """A snapshot; the disk holds the data under its UUID.

    `live` says that it holds memory too: restored, the machine is in the state "saved".
    """

    uuid: str
    name: str
    parent: str
    live: bool
    hardware: Hardware
    description: str = ""


@dataclass
class Machine:
    """A registered machine.

    `base` is the machine whose disk this one's is an overlay on. `attached` says that the disk is
    at its controller. `saved` is the tag on the disk that the memory comes back from at the next
    start. `dirty` says that the disk may differ from the current snapshot's.
    """

    uuid: str
    name: str
    hardware: Hardware
    disk_uuid: str = field(default_factory=new_uuid)
    base: str = ""
    attached: bool = True
    saved: str = ""
    paused: bool = False
    dirty: bool = True
    snapshots: list[Snapshot] = field(default_factory=list)
    current: str = ""
    shared: list[Shared] = field(default_factory=list)
    extra: dict[str, str] = field(default_factory=dict)

    @classmethod
    def read(cls, stored: dict[str, Any]) -> Machine:
        """From JSON."""
        snapshots = [
            Snapshot(**{**snapshot, "hardware": Hardware.read(snapshot["hardware"])})
            for snapshot in stored["snapshots"]
        ]
        shared = [Shared(**folder) for folder in stored["shared"]]
        hardware = Hardware.read(stored["hardware"])
        return cls(**{**stored, "hardware": hardware, "snapshots": snapshots, "shared": shared})

    def stored(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)

    def clone(self, name: str, *, keep_macs: bool = False) -> Machine:
        """A machine like this one, with an identity of its own and no past."""
        hardware = self.hardware.copy()
        for nic in hardware.nics.values():
            if not keep_macs:
                nic.mac = new_mac()
        return Machine(uuid=new_uuid(), name=name, hardware=hardware)
