"""Host-only networks: a bridge of the kernel each, named as VirtualBox names its interfaces.

Internal networks are bridges too, without an address of the host.

The bridge carries the host's address, so a node reaches the host at the network's .1, and the host
the nodes, as with VirtualBox. It is made in the network namespace of whoever calls: a world of the
testbed, and with the world it goes.
"""

from __future__ import annotations

import hashlib
import ipaddress
import json
import subprocess
from dataclasses import asdict, dataclass
from pathlib import Path

from tests.vbox import rules
from tests.vbox.errors import NOT_FOUND, BadSyntax, Refused
from tests.vbox.home import Home, write
from tests.vbox.machine import Machine, new_uuid
from tests.vbox.process import tap_name

_LINKS = Path("/sys/class/net")
_LIMIT = 64


@dataclass
class Interface:
    """A host-only interface; without an address until `ipconfig`."""

    name: str
    guid: str
    address: str
    netmask: str

    @property
    def prefix(self) -> int:
        """Bits of the netmask."""
        return ipaddress.IPv4Network(f"0.0.0.0/{self.netmask}").prefixlen


class Interfaces:
    """The host-only interfaces of a home."""

    def __init__(self, home: Home) -> None:
        self._home = home

    def all(self) -> list[Interface]:
        """All interfaces in the order of their numbers."""
        try:
            stored = json.loads(self._home.interfaces.read_text("utf-8"))
        except FileNotFoundError:
            return []
        return [Interface(**entry) for entry in stored]

    def find(self, name: str) -> Interface:
        """The interface of a name."""
        for interface in self.all():
            if interface.name == name:
                return interface
        raise Refused(f"The host network interface named '{name}' could not be found", NOT_FOUND)

    def create(self) -> Interface:
        """Make the next one: its number is free both here and in the kernel.

        VirtualBox gives a fresh one the address of its default network; until `ipconfig` sets
        another, so does this, but only in the listing.
        """
        with self._home.locked():
            known = self.all()
            taken = {interface.name for interface in known}
            number = next(
                n
                for n in range(_LIMIT)
                if f"vboxnet{n}" not in taken and not (_LINKS / f"vboxnet{n}").exists()
            )
            made = Interface(
                f"vboxnet{number}", new_uuid(), f"192.168.{56 + number}.1", "255.255.255.0"
            )
            self._raise(made)
            self._save([*known, made])
        return made

    def configure(self, name: str, address: str, netmask: str) -> None:
        """Give the host's side its address."""
        interface = self.find(name)
        try:
            ipaddress.IPv4Interface(f"{address}/{netmask}")
        except ValueError as problem:
            raise BadSyntax(f"Invalid address or netmask: {problem}") from problem
        rules.require_allowed(address)
        with self._home.locked():
            known = [entry for entry in self.all() if entry.name != name]
            interface.address, interface.netmask = address, netmask
            self._raise(interface)
            self._save([*known, interface])

    def remove(self, name: str) -> None:
        """Remove an interface."""
        self.find(name)
        with self._home.locked():
            if (_LINKS / name).exists():
                _ip("link", "delete", name)
            self._save([entry for entry in self.all() if entry.name != name])

    def require(self, machine: Machine) -> None:
        """See that the networks of a machine that is about to start are there.

        After a reboot of the host they are known, and gone.
        """
        for _, nic in machine.hardware.attached():
            if nic.kind == "intnet":
                with self._home.locked():
                    _make_bridge(internal(nic.adapter))
            elif nic.kind == "hostonly" and not (_LINKS / nic.adapter).exists():
                with self._home.locked():
                    self._raise(self.find(nic.adapter))

    def _raise(self, interface: Interface) -> None:
        name = interface.name
        _make_bridge(name)
        _ip("address", "flush", "dev", name, "scope", "global")
        _ip("address", "replace", f"{interface.address}/{interface.prefix}", "dev", name)

    def _save(self, interfaces: list[Interface]) -> None:
        ordered = sorted(interfaces, key=lambda interface: int(interface.name[7:]))
        write(self._home.interfaces, json.dumps([asdict(entry) for entry in ordered]))


def internal(name: str) -> str:
    """Return the name of the bridge that is an internal network."""
    return f"vbi-{hashlib.sha256(name.encode()).hexdigest()[:10]}"


def _make_bridge(name: str) -> None:
    if not (_LINKS / name).exists():
        _ip("link", "add", name, "type", "bridge", "forward_delay", "0", "stp_state", "0")
        _ip("link", "set", name, "up")


def plug(machine: Machine) -> None:
    """Join the adapters of a machine that just started to their bridges.

    QEMU makes the host's ends, and they go when it ends.
    """
    for slot, nic in machine.hardware.attached():
        if nic.kind in ("hostonly", "intnet"):
            end = tap_name(machine, slot)
            bridge = internal(nic.adapter) if nic.kind == "intnet" else nic.adapter
            _ip("link", "set", end, *(("master", bridge) if nic.cable else ()), "up")


def _ip(*arguments: str) -> None:
    done = subprocess.run(
        ["ip", *arguments], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise Refused(f"ip {' '.join(arguments[:2])}: {done.stderr.strip()}")
