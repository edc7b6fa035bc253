"""The provider libvirt, by the plugin vagrant-libvirt."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping
from ipaddress import IPv4Network
from pathlib import Path
from typing import TYPE_CHECKING

from labctl.events import Notice
from labctl.machines import plugins, processor
from labctl.machines.base import Provider
from labctl.machines.finding import Finding, Level
from labctl.machines.host import Host
from labctl.messages import msg

if TYPE_CHECKING:
    from labctl.config.model import LabSpec

SOCKETS = (
    "/run/libvirt/libvirt-sock",
    "/run/libvirt/virtqemud-sock",
    "/var/run/libvirt/libvirt-sock",
)
"""Where libvirt's daemon listens: the monolithic one, and the modular one for QEMU."""

_MANAGEMENT = IPv4Network("192.168.121.0/24")


class Libvirt(Provider):
    """Machines of libvirt and QEMU."""

    name = "libvirt"
    folder_types = frozenset({"9p"})
    interfaces = ("virbr", "vnet")

    def missing(self, environment: Mapping[str, str] = os.environ) -> tuple[str, str] | None:
        if not any(Path(place).exists() for place in SOCKETS):
            return (
                msg("no libvirt daemon runs on this computer"),
                msg("install libvirt and QEMU and start libvirtd, or choose --provider virtualbox"),
            )
        if plugins.find("vagrant-libvirt", environment) is None:
            return (
                msg("Vagrant's plugin vagrant-libvirt is not installed"),
                msg("run `vagrant plugin install vagrant-libvirt`"),
            )
        return None

    def network_problem(
        self, network: IPv4Network, platform: str = sys.platform
    ) -> tuple[str, str] | None:
        if not network.overlaps(_MANAGEMENT):
            return None
        hint = msg("use another private network, such as 192.168.56.0/24")
        return msg(
            "{network} overlaps {management}, vagrant-libvirt's management network",
            network=network,
            management=_MANAGEMENT,
        ), hint

    def values(self, spec: LabSpec) -> dict[str, object]:
        return {"emulated": processor.emulated()}

    def notices(self, spec: LabSpec) -> Iterator[Notice]:
        if processor.emulated():
            yield Notice("", "no hardware virtualization: VMs will be slow")

    def examine(self, host: Host, spec: LabSpec) -> Iterator[Finding]:
        found = host.plugin("vagrant-libvirt")
        if found is None:
            remedy = msg("run `vagrant plugin install vagrant-libvirt`")
            yield Finding(Level.FAIL, "vagrant-libvirt", "not installed", remedy)
        else:
            version = ".".join(map(str, found.version)) or msg("installed")
            yield Finding(Level.OK, "vagrant-libvirt", version)

    def without_virtualization(self) -> str:
        return msg("not supported: machines are emulated, about 10 times slower")

    def firewall_problem(self, firewall: str) -> tuple[str, str] | None:
        if firewall != "ufw":
            return None
        return (
            msg("ufw is on and may block the nodes' DHCP requests"),
            msg("allow libvirt's bridges: `sudo ufw allow in on virbr0`, and the same for virbr1"),
        )
