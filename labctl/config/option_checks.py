"""Checks of Vagrant's options between nodes: ports, networks, and the files that they name."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path
from typing import TYPE_CHECKING

from labctl.config import network as addresses
from labctl.config.faults import Fault, KeyPath, first_of_each_place
from labctl.messages import msg

if TYPE_CHECKING:
    from labctl.config.machine_options import FurtherNetwork, MachineOptions
    from labctl.config.model import LabSpec
    from labctl.config.node_options import Forward, NodeOptions


def check(spec: LabSpec) -> Iterator[Fault]:
    """Yield what is wrong with the options of a lab's virtual machines."""
    if spec.machines is not None:
        return
    places: list[tuple[KeyPath, MachineOptions]] = [((), spec)]
    if not isinstance(spec.nodes, int):
        places += [(("nodes", index), node) for index, node in enumerate(spec.nodes)]
    for at, part in places:
        for number, card in enumerate(part.networks):
            yield from _card(spec, card, (*at, "networks", number))
        yield from _snippets(part, (*at, "provision"))
    yield from first_of_each_place(_ports(spec))
    yield from first_of_each_place(_cards(spec))
    if spec.vagrantfile is not None:
        yield from _file(spec.vagrantfile, ("vagrantfile",))


def _card(spec: LabSpec, card: FurtherNetwork, at: KeyPath) -> Iterator[Fault]:
    """Check a further network by itself."""
    if card.network is None and card.bridge is None:
        hint = msg("such as network: 192.168.57.0/24, or bridge: eno1 for the room's own network")
        yield Fault(at, "needs 'network' or 'bridge'", hint)
    elif card.address is not None and card.network is None:
        hint = msg("add it, such as network: 10.20.0.0/24, or leave the address to DHCP")
        yield Fault((*at, "address"), "an address needs its 'network'", hint)
    if card.network is None:
        return
    if problem := addresses.network_problem(
        card.network, bridge_moved="bip" in spec.docker.daemon or "bridge" in spec.docker.daemon
    ):
        yield Fault((*at, "network"), *problem)
        return
    network = IPv4Network(card.network)
    if card.address and IPv4Address(card.address) not in network:
        message = msg(
            "{address} is outside the network {network}", address=card.address, network=network
        )
        yield Fault((*at, "address"), message, "correct one of them")
    elif card.address and (wrong := addresses.address_problem(card.address, network)):
        hint = msg("use one from {first} to {last}", first=network[2], last=network[-2])
        yield Fault((*at, "address"), wrong, hint)
    if not addresses.network_problem(spec.network, bridge_moved=True) and network.overlaps(
        IPv4Network(spec.network)
    ):
        message = msg(
            "{network} overlaps the lab's own network {own}", network=network, own=spec.network
        )
        hint = msg("every node is already in that network; use another, such as 192.168.57.0/24")
        yield Fault((*at, "network"), message, hint, ("network",))


def _ports(spec: LabSpec) -> Iterator[Fault]:
    """Check that no port of this computer leads to two places."""
    seen: dict[tuple[int, str], str] = {}
    for node in spec.node_options:
        for port in node.forwards:
            if port.host > 65535:
                message = msg(
                    "the port of {node} would be {port}, which is above 65535",
                    node=node.name,
                    port=port.host,
                )
                hint = msg("the n-th node gets host + n - 1; use a smaller 'host'")
                yield Fault((*port.path, "host"), message, hint, ("nodes",))
            other = seen.setdefault((port.host, port.protocol), node.name)
            if other is not node.name or _repeated(node, port):
                message = msg(
                    "port {port}/{protocol} of this computer is already forwarded to {node}",
                    port=port.host,
                    protocol=port.protocol,
                    node=other,
                )
                hint = msg("use another; the lab's forwarded_ports increase by one for each node")
                yield Fault((*port.path, "host"), message, hint, ("nodes", "forwarded_ports"))


def _repeated(node: NodeOptions, port: Forward) -> bool:
    """Return True if an earlier entry of the same node has the same port of this computer."""
    first = next(
        one for one in node.forwards if (one.host, one.protocol) == (port.host, port.protocol)
    )
    return first is not port


def _cards(spec: LabSpec) -> Iterator[Fault]:
    """Check that each node has an address in its further networks, and no two have the same."""
    taken: dict[str, str] = {}
    for node in spec.node_options:
        networks: list[IPv4Network] = []
        for card in node.interfaces:
            if card.network is not None and any(card.network.overlaps(one) for one in networks):
                message = msg(
                    "{node} has two interfaces in {network}", node=node.name, network=card.network
                )
                yield Fault(card.path, message, "remove one of them", ("nodes", "networks"))
                continue
            networks += [card.network] if card.network else []
            if card.address is None:
                if not card.bridge and card.network is not None:
                    message = msg(
                        "{network} has no address left for {listed}",
                        network=card.network,
                        listed=node.name,
                    )
                    hint = msg("use a shorter prefix, such as /24")
                    yield Fault((*card.path, "network"), message, hint, ("nodes",))
            elif (other := taken.setdefault(card.address, node.name)) != node.name:
                message = msg(
                    "the address {address} already belongs to {node}",
                    address=card.address,
                    node=other,
                )
                hint = msg("leave it out, or set it under each node's own networks")
                yield Fault((*card.path, "address"), message, hint, ("nodes", "networks"))


def _snippets(part: MachineOptions, at: KeyPath) -> Iterator[Fault]:
    for index, snippet in enumerate(part.provision):
        if (snippet.inline is None) == (snippet.file is None):
            yield Fault((*at, index), "needs either 'inline' or 'file'", "set one of them")
        if snippet.file is not None:
            yield from _file(snippet.file, (*at, index, "file"))


def _file(text: str, at: KeyPath) -> Iterator[Fault]:
    """Check that a file of the user's exists; a relative path has no folder to look in yet."""
    path = Path(text)
    if not path.is_absolute() or path.is_file():
        return
    if path.is_dir():
        yield Fault(at, msg("{path} is a folder", path=path), "set the path of a file")
    else:
        hint = msg("create it, or correct the path, which is relative to lab.yaml")
        yield Fault(at, msg("{path} does not exist", path=path), hint)
