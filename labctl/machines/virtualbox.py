"""The provider virtualbox."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator, Mapping
from ipaddress import IPv4Network
from pathlib import Path
from typing import TYPE_CHECKING

from labctl.config.faults import Fault
from labctl.errors import Problem
from labctl.events import Notice
from labctl.machines import plugins, provider_options, vbguest
from labctl.machines.base import Provider, Remedy
from labctl.machines.finding import Finding, Level, version
from labctl.machines.host import Host, find_program
from labctl.messages import msg

if TYPE_CHECKING:
    from labctl.config.model import LabSpec
    from labctl.machines.clone import Clone, Machine
    from labctl.parallel import Stop

NETWORKS_CONF = "/etc/vbox/networks.conf"
NEEDS = {(7, 1): (2, 4, 2), (7, 2): (2, 4, 9)}
"""The first Vagrant that supports a VirtualBox, by Vagrant's release notes."""

_INSTALLED_BY = ("VBOX_INSTALL_PATH", "VBOX_MSI_INSTALL_PATH")
"""Variables that VirtualBox's installer sets on Windows, where Vagrant looks too."""

_ALLOWED = (IPv4Network("192.168.56.0/21"),)
_NAT = IPv4Network("10.0.2.0/24")


_SSH_PORTS = range(2200, 2251)
"""Where Vagrant moves the port for ssh of a second machine; see `usable_port_range`."""

_OWN = {
    "name": "name",
    "memory": "memory",
    "cpus": "cpus",
    "nested-hw-virt": "nested",
    "natpf": "forwarded_ports",
    "natdnshostresolver": "dns_host_resolver",
    "nic": "networks",
    "hostonlyadapter": "networks",
    "bridgeadapter": "networks",
    "cableconnected": "networks",
}
"""Options of `VBoxManage modifyvm` that labctl sets, and the key of lab.yaml for each."""

_REACHES_OUT = re.compile(
    r"uart.*|lpt.*|recording.*|vrde.*|trac(e|ing).*|icon-?file|teleporter.*|snapshot-?folder"
    r"|nattftp.*|usb.*|.*clipboard.*|drag.*|cloud.*|autostart.*|default-?frontend|vm-process.*"
)
"""Options that read or write files of the host, listen on its network or reach its devices."""


def _modify_problem(name: str, value: object) -> tuple[str, str] | None:
    """Return (message, hint) if an option of `VBoxManage modifyvm` may not be set."""
    if not re.fullmatch(r"[a-z][a-z0-9-]{0,40}", name):
        message = msg(
            "must be an option of `VBoxManage modifyvm` without its dashes, is {name!r}", name=name
        )
        return message, msg("such as vram: 32")
    if key := _OWN.get(name) or _OWN.get(name.rstrip("0123456789")):
        return provider_options.set_by(key)
    if _REACHES_OUT.fullmatch(name):
        message = msg("reaches files, devices or the network of this computer")
        return message, msg("set it in a Ruby file, and set that file as vagrantfile")
    return provider_options.word_problem(value)


class VirtualBox(Provider):
    """Machines of VirtualBox."""

    name = "virtualbox"
    folder_types = frozenset({"virtualbox"})
    interfaces = ("vboxnet", "VirtualBox")
    options = frozenset({"disk", "gui", "nested", "provider_options"})
    remedies = (
        Remedy(
            r"VT-x is (not available|disabled)",
            "turn on virtualization (VT-x, AMD-V) in the BIOS",
        ),
        Remedy(
            r"VERR_VMX|vmx_",
            "another hypervisor uses the processor's virtualization; turn it off",
        ),
        Remedy(
            r"not in the allowed ranges|outside the allowed",
            "choose a network inside 192.168.56.0/21",
        ),
    )

    def clone(self, machine: Machine, stop: Stop) -> Clone:
        from labctl.machines.virtualbox_clone import VirtualBoxClone

        return VirtualBoxClone(machine, stop, _INSTALLED_BY)

    def missing(self, environment: Mapping[str, str] = os.environ) -> tuple[str, str] | None:
        if find_program("VBoxManage", _INSTALLED_BY, environment):
            return None
        return msg("VBoxManage is missing"), msg("install VirtualBox, or choose --provider libvirt")

    def network_problem(
        self, network: IPv4Network, platform: str = sys.platform
    ) -> tuple[str, str] | None:
        """See `Provider.network_problem`.

        Every machine has the NAT network too. From 6.1.28 on VirtualBox allows host-only networks
        in 192.168.56.0/21 only, unless networks.conf names other ranges (VirtualBox manual,
        "Host-Only Networking").
        """
        if network.overlaps(_NAT):
            hint = msg("use another private network, such as 192.168.56.0/24")
            return msg(
                "{network} overlaps {nat}, VirtualBox's NAT network", network=network, nat=_NAT
            ), hint
        # VirtualBox on Windows never checked this; on macOS version 7 dropped the check.
        if platform in ("win32", "darwin"):
            return None
        conf = Path(NETWORKS_CONF)
        allowed = allowed_by(conf.read_text("utf-8", "replace")) if conf.is_file() else _ALLOWED
        if any(network.subnet_of(wide) for wide in allowed):
            return None
        ranges = ", ".join(map(str, allowed)) or msg("no IPv4 network")
        return (
            msg(
                "VirtualBox refuses the network {network}: it allows {ranges}",
                network=network,
                ranges=ranges,
            ),
            msg(
                "use 192.168.56.0/24, or add the line '* {network}' to {networks_conf}",
                network=network,
                networks_conf=NETWORKS_CONF,
            ),
        )

    def option_faults(self, spec: LabSpec) -> Iterator[Fault]:
        yield from provider_options.faults(spec, self.name, _modify_problem)
        for node in spec.node_options:
            for port in node.forwards:
                if port.protocol == "tcp" and (port.host == 2222 or port.host in _SSH_PORTS):
                    message = msg("Vagrant itself uses port {port} for ssh", port=port.host)
                    hint = msg("use another, outside 2222 and 2200 to 2250")
                    yield Fault((*port.path, "host"), message, hint)

    def values(self, spec: LabSpec) -> dict[str, object]:
        return {"vbguest_commands": vbguest.commands(spec.sources.vault)}

    def notices(self, spec: LabSpec) -> Iterator[Notice]:
        if spec.vbguest and not plugins.additions_work():
            message = msg(
                "vagrant-vbguest crashes on Vagrant's Ruby (3.2 or newer) and is not used"
            )
            yield Notice("", message)

    def problems(self, spec: LabSpec) -> Iterator[Problem]:
        if spec.vbguest and not plugins.find("vagrant-vbguest"):
            yield Problem(
                "vbguest",
                "Vagrant's plugin vagrant-vbguest is not installed",
                hint="run `vagrant plugin install vagrant-vbguest`, or set vbguest: false",
            )

    def examine(self, host: Host, spec: LabSpec) -> Iterator[Finding]:
        yield _versions(host)
        yield from _vbguest(host, spec)


def allowed_by(networks_conf: str) -> tuple[IPv4Network, ...]:
    """Return the IPv4 ranges of networks.conf: lines of '* RANGE RANGE …', '#' for comments."""
    ranges = []
    for line in networks_conf.splitlines():
        marker, _, rest = line.partition("#")[0].strip().partition(" ")
        for word in rest.split() if marker == "*" else ():
            try:
                ranges.append(IPv4Network(word, strict=False))
            except ValueError:
                continue  # an IPv6 range, or a word that VirtualBox ignores too
    return tuple(ranges)


def _versions(host: Host) -> Finding:
    """Compare the versions of VirtualBox and Vagrant."""
    what = "VirtualBox"
    if host.system == "darwin" and host.processor == "arm64":
        return Finding(
            Level.FAIL,
            what,
            "on Apple silicon it cannot run x86 guests such as CentOS 7",
            "use another computer, or list existing machines under `machines:` in lab.yaml",
        )
    program = host.which("VBoxManage", _INSTALLED_BY)
    printed = host.output(program, "--version") if program else None
    box = version(printed)
    if not box:
        return Finding(Level.FAIL, what, "VBoxManage fails", "install VirtualBox again")
    line = (printed or "").splitlines()[-1]
    if "kernel module" in (printed or ""):
        return Finding(
            Level.FAIL, what, "its kernel module is not loaded", "run `sudo /sbin/vboxconfig`"
        )
    needed = max((need for at, need in NEEDS.items() if box[:2] >= at), default=())
    have = version(host.output("vagrant", "--version"))
    if have and have < needed:
        wanted = ".".join(map(str, needed))
        return Finding(
            Level.FAIL,
            what,
            msg(
                "{line} needs Vagrant {wanted} or newer; {have} is installed",
                line=line,
                wanted=wanted,
                have=".".join(map(str, have)),
            ),
            msg("install Vagrant {wanted}, or an older VirtualBox", wanted=wanted),
        )
    return Finding(Level.OK, what, line)


def _vbguest(host: Host, spec: LabSpec) -> Iterator[Finding]:
    what = "vagrant-vbguest"
    plugin = host.plugin(what)
    if not spec.vbguest:
        if plugin is not None:
            yield Finding(Level.OK, what, "installed; off, because lab.yaml does not enable it")
    elif plugin is None:
        remedy = msg("run `vagrant plugin install vagrant-vbguest`, or set `vbguest: false`")
        found = msg("lab.yaml enables it, but it is not installed")
        yield Finding(Level.FAIL, what, found, remedy)
    elif not host.additions_work():
        ruby = ".".join(map(str, plugin.ruby))
        remedy = msg(
            "set `vbguest: false` and use folders of type rsync; or use Vagrant 2.4.1 or older"
        )
        found = msg("it crashes on Vagrant's Ruby {ruby} and is not used", ruby=ruby)
        yield Finding(Level.WARN, what, found, remedy)
    else:
        yield Finding(Level.OK, what, ".".join(map(str, plugin.version)) or msg("installed"))
