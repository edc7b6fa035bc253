"""The provider libvirt, by the plugin vagrant-libvirt."""

from __future__ import annotations

import difflib
import os
import sys
from collections.abc import Iterator, Mapping
from ipaddress import IPv4Network
from pathlib import Path
from typing import TYPE_CHECKING

from labctl.config import faults
from labctl.config.faults import Fault
from labctl.errors import Problem
from labctl.events import Notice
from labctl.machines import plugins, processor, provider_options
from labctl.machines.base import Provider
from labctl.machines.finding import Finding, Level
from labctl.machines.host import Host
from labctl.messages import msg

if TYPE_CHECKING:
    from labctl.config.model import LabSpec
    from labctl.machines.clone import Clone, Machine
    from labctl.parallel import Stop

SOCKETS = (
    "/run/libvirt/libvirt-sock",
    "/run/libvirt/virtqemud-sock",
    "/var/run/libvirt/libvirt-sock",
)
"""Where libvirt's daemon listens: the monolithic one, and the modular one for QEMU."""

_MANAGEMENT = IPv4Network("192.168.121.0/24")


_OWN = {
    "memory": "memory",
    "cpus": "cpus",
    "nested": "nested",
    "machine_virtual_size": "disk",
    "graphics_type": "gui",
    "default_prefix": "name",
    "title": "name",
}
"""Settings of vagrant-libvirt that labctl makes, and the key of lab.yaml for each."""

_SETTINGS = (
    *("autostart", "clock_offset", "cpu_fallback", "cpu_mode", "cpu_model", "cpuset"),
    *("description", "disk_bus", "disk_controller_model", "disk_device", "driver"),
    *("graphics_autoport", "graphics_port", "keymap", "kvm_hidden", "machine_arch"),
    *("machine_type", "memballoon_enabled", "memballoon_model", "nic_adapter_count"),
    *("nic_model_type", "nodeset", "shares", "sound_type", "storage_pool_name"),
    *("suspend_mode", "tpm_model", "tpm_type", "tpm_version", "video_accel3d"),
    *("video_type", "video_vram", "volume_cache"),
)
"""Settings that may be set: those that stay inside the machine and take a plain value."""


def _setting_problem(name: str, value: object) -> tuple[str, str] | None:
    """Return (message, hint) if a setting of vagrant-libvirt may not be set."""
    if key := _OWN.get(name):
        return provider_options.set_by(key)
    if name not in _SETTINGS:
        near = difflib.get_close_matches(name, _SETTINGS, n=1, cutoff=0.8)
        hint = (
            msg("did you mean {near!r}?", near=near[0])
            if near
            else msg("set it in a Ruby file, and set that file as vagrantfile")
        )
        return msg(
            "labctl does not support the setting {name!r} of vagrant-libvirt", name=name
        ), hint
    return provider_options.word_problem(value)


class Libvirt(Provider):
    """Machines of libvirt and QEMU."""

    name = "libvirt"
    folder_types = frozenset({"9p"})
    interfaces = ("virbr", "vnet")
    fixed = Provider.fixed | {"disk", "networks", "address"}
    options = frozenset({"disk", "gui", "nested", "provider_options"})

    def clone(self, machine: Machine, stop: Stop) -> Clone:
        from labctl.machines.libvirt_clone import LibvirtClone

        return LibvirtClone(machine, stop)

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

    def option_faults(self, spec: LabSpec) -> Iterator[Fault]:
        yield from provider_options.faults(spec, self.name, _setting_problem)
        for node in spec.node_options:
            for port in node.forwards:
                if port.protocol == "udp":
                    message = msg("libvirt forwards no UDP ports: vagrant-libvirt uses ssh for it")
                    hint = msg("use the node's address in the lab's network instead")
                    yield Fault((*port.path, "protocol"), message, hint)

    def problems(self, spec: LabSpec) -> Iterator[Problem]:
        for node in spec.node_options:
            if node.nested and processor.emulated():
                yield Problem(
                    faults.where((*node.path, "nested")),
                    "this computer has no hardware virtualization for nested use",
                    hint="remove 'nested', or turn on virtualization (VT-x, AMD-V) in the BIOS",
                )

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
