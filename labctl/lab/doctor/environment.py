"""What is around a lab on this machine: plugins, other networks and labs, a firewall."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from typing import TYPE_CHECKING

from labctl.config import synced_folders
from labctl.lab import index
from labctl.lab.doctor.finding import Finding, Level
from labctl.lab.doctor.host import Host

if TYPE_CHECKING:
    from labctl.config.model import LabSpec
    from labctl.lab.index import Entry

OK, WARN, FAIL, SKIPPED = Level.OK, Level.WARN, Level.FAIL, Level.SKIPPED

_OWN = ("vboxnet", "virbr", "vnet", "VirtualBox")
"""How interfaces begin that providers make for labs; the lab's own network is there while it is."""


def network(host: Host, lab: LabSpec, provider: str, others: list[Entry]) -> Iterator[Finding]:
    """Look whether the provider takes the network, and whether something else has it."""
    what = "network"
    # Others are of synced folders, at which `plugins` looks.
    found_wrong = lab.provider_problems(provider, platform=host.system)
    problems = [problem for problem in found_wrong if problem.where == what]
    yield from (Finding(FAIL, what, p.message, p.hint) for p in problems)
    wanted = ipaddress.IPv4Network(lab.network)
    other = index.clash(lab.network, others)
    if other is not None:
        yield Finding(
            WARN if other.gone else FAIL,
            what,
            f"{wanted} overlaps {other.network} of the lab in {other.folder}"
            + (", which is gone; its machines may be there still" if other.gone else ""),
            "forget it with `labctl status --all --prune`"
            if other.gone
            else "leave `network` out of lab.yaml and labctl takes a free one",
        )
    found = host.networks()
    if found is None:
        yield Finding(SKIPPED, what, "this system's routes cannot be looked at")
        return
    clashes = [
        (interface, taken)
        for interface, taken in found
        # Windows names an interface by its address; a lab's own has the network's first one.
        if wanted.overlaps(taken) and not interface.startswith(_OWN) and interface != str(wanted[1])
        # VirtualBox 7 on macOS makes a bridge for the lab's own network.
        if not (host.system == "darwin" and interface.startswith("bridge") and taken == wanted)
    ]
    for interface, taken in clashes:
        yield Finding(
            FAIL,
            what,
            f"{wanted} overlaps {taken}, to which this machine goes by {interface} already",
            "choose another `network` in lab.yaml",
        )
    if not clashes and not problems and other is None:
        yield Finding(OK, what, f"{wanted} is free")


def plugins(host: Host, lab: LabSpec, provider: str) -> Iterator[Finding]:
    """Look for what the provider and the synced folders need of Vagrant and of this machine."""
    if provider == "libvirt":
        found = host.plugin("vagrant-libvirt")
        if found is None:
            yield Finding(
                FAIL,
                "vagrant-libvirt",
                "Vagrant has no such plugin",
                "run `vagrant plugin install vagrant-libvirt`",
            )
        else:
            yield Finding(OK, "vagrant-libvirt", ".".join(map(str, found.version)) or "it is there")
    works = host.additions_work()
    if provider == "virtualbox":
        yield from _vbguest(host, lab, works)
    seen = set()
    for folder in lab.synced_folders:
        kind = synced_folders.resolved(folder, lab, provider, additions=works)
        if kind == "disabled" or kind in seen:
            continue
        seen.add(kind)
        what = f"{kind} folders"
        problem = synced_folders.unfit(folder, lab, provider, additions=works) or host.missing(kind)
        if problem:
            yield Finding(FAIL, what, *problem)
        else:
            yield Finding(OK, what, "what they need is there")


def _vbguest(host: Host, lab: LabSpec, works: bool) -> Iterator[Finding]:
    what = "vagrant-vbguest"
    plugin = host.plugin(what)
    if not lab.vbguest:
        if plugin is not None:
            yield Finding(OK, what, "it is there; lab.yaml does not ask for it, so it is kept off")
    elif plugin is None:
        remedy = "run `vagrant plugin install vagrant-vbguest`, or set `vbguest: false`"
        yield Finding(FAIL, what, "lab.yaml asks for it, and Vagrant has no such plugin", remedy)
    elif not works:
        ruby = ".".join(map(str, plugin.ruby))
        remedy = "set `vbguest: false` and use folders of type rsync; or use Vagrant 2.4.1 or older"
        yield Finding(WARN, what, f"it crashes on Vagrant's Ruby {ruby} and is kept off", remedy)
    else:
        yield Finding(OK, what, ".".join(map(str, plugin.version)) or "it is there")


def firewall(host: Host, lab: LabSpec, provider: str) -> Finding:
    """Look for a firewall that keeps nodes from what this machine gives them."""
    what = "firewall"
    name = host.firewall()
    if name is None:
        return Finding(SKIPPED, what, "this system does not tell whether one is on")
    if not name:
        return Finding(OK, what, "none is known to be on")
    if any(folder.type == "nfs" for folder in lab.synced_folders):
        return Finding(
            WARN,
            what,
            f"{name} is on, and nodes fetch folders of type nfs from this machine",
            f"let {lab.network} in to nfs (ports 111 and 2049), or use type rsync",
        )
    if provider == "libvirt" and name == "ufw":
        return Finding(
            WARN,
            what,
            "ufw is on, and may keep nodes from getting an address by DHCP",
            "let libvirt's bridges in: `sudo ufw allow in on virbr0`, and the same for virbr1",
        )
    return Finding(OK, what, f"{name} is on; nodes need nothing of this machine that it would stop")
