"""The doctor's checks of a lab's surroundings: folders, other networks and labs, a firewall."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from typing import TYPE_CHECKING

from labctl.config import node_options, synced_folders
from labctl.lab import index
from labctl.machines import providers
from labctl.machines.finding import Finding, Level
from labctl.machines.host import Host
from labctl.messages import msg

if TYPE_CHECKING:
    from labctl.config.model import LabSpec
    from labctl.lab.index import Entry

OK, WARN, FAIL, SKIPPED = Level.OK, Level.WARN, Level.FAIL, Level.SKIPPED


def network(host: Host, lab: LabSpec, provider: str, others: list[Entry]) -> Iterator[Finding]:
    """Check whether the provider accepts the lab's networks and whether they are free."""
    what = msg("network")
    # Problems of synced folders are reported by `folders`.
    found_wrong = providers.problems(lab, provider, host.system)
    problems = [problem for problem in found_wrong if problem.where == what]
    yield from (Finding(FAIL, what, p.message, p.hint) for p in problems)
    networks = (lab.network, *node_options.private_networks(lab.node_options))
    clash = index.clash(networks, others)
    if clash is not None:
        gone = clash.lab.gone
        yield Finding(
            WARN if gone else FAIL,
            what,
            msg(
                "{wanted} overlaps {network} of the lab in {folder}",
                wanted=clash.network,
                network=clash.theirs,
                folder=clash.lab.folder,
            )
            + (msg(", which is gone; its machines may still exist") if gone else ""),
            "remove it from the list with `labctl status --all --prune`"
            if gone
            else "remove `network` from lab.yaml so that labctl chooses a free one"
            if clash.network == lab.network
            else "set another network under `networks` in lab.yaml",
        )
    found = host.networks()
    if found is None:
        yield Finding(SKIPPED, what, "unknown: this system's routes cannot be read")
        return
    # The lab's own network exists while its machines do.
    own = tuple(prefix for name in providers.names() for prefix in providers.get(name).interfaces)
    clashes = [
        (wanted, interface, taken)
        for wanted in map(ipaddress.IPv4Network, networks)
        for interface, taken in found
        # Windows names an interface by its address; the lab's own has the first one of the network.
        if wanted.overlaps(taken) and not interface.startswith(own) and interface != str(wanted[1])
        # VirtualBox 7 on macOS creates a bridge for the lab's own network.
        if not (host.system == "darwin" and interface.startswith("bridge") and taken == wanted)
    ]
    for wanted, interface, taken in clashes:
        yield Finding(
            FAIL,
            what,
            msg(
                "{wanted} overlaps {taken}, which this computer reaches through {interface}",
                wanted=wanted,
                taken=taken,
                interface=interface,
            ),
            "choose another `network` in lab.yaml",
        )
    if not clashes and not problems and clash is None:
        yield Finding(OK, what, msg("{wanted} is free", wanted=", ".join(networks)))


def folders(host: Host, lab: LabSpec, provider: str) -> Iterator[Finding]:
    """Check what the synced folders need of Vagrant and of this computer."""
    works = host.additions_work()
    own = providers.get(provider).folder_types
    seen = set()
    for folder in lab.synced_folders:
        kind = synced_folders.resolved(folder, lab, own, additions=works)
        if kind == "disabled" or kind in seen:
            continue
        seen.add(kind)
        what = msg("{kind} folders", kind=kind)
        problem = synced_folders.unfit(folder, lab, additions=works) or host.missing(kind)
        if problem:
            yield Finding(FAIL, what, *problem)
        else:
            yield Finding(OK, what, "all requirements are installed")


def firewall(host: Host, lab: LabSpec, provider: str) -> Finding:
    """Check for a firewall that blocks nodes."""
    what = "firewall"
    name = host.firewall()
    if name is None:
        return Finding(SKIPPED, what, "unknown: this system does not report it")
    if not name:
        return Finding(OK, what, "none found")
    if any(folder.type == "nfs" for folder in lab.synced_folders):
        return Finding(
            WARN,
            what,
            msg("{name} is on, and nodes mount nfs folders from this computer", name=name),
            msg(
                "allow NFS from {network} (ports 111 and 2049), or use type rsync",
                network=lab.network,
            ),
        )
    problem = providers.get(provider).firewall_problem(name)
    if problem:
        return Finding(WARN, what, *problem)
    return Finding(
        OK,
        what,
        msg("{name} is on and does not affect the nodes", name=name),
    )
