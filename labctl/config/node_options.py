"""Vagrant's options of each node: those of the lab and the node's own, merged. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network
from typing import TYPE_CHECKING, Any

from labctl.config import network as addresses
from labctl.config.faults import KeyPath

if TYPE_CHECKING:
    from labctl.config.machine_options import FurtherNetwork, MachineOptions, Snippet
    from labctl.config.sections import Box, NodeSpec

KEYS = ("forwarded_ports", "networks", "disk", "gui", "nested", "provider_options", "provision")
"""The keys that a lab and a node have in common."""


@dataclass(frozen=True, slots=True)
class Forward:
    """A forwarded port of one node; `path` is its place in lab.yaml."""

    path: KeyPath
    guest: int
    host: int
    protocol: str
    host_ip: str


@dataclass(frozen=True, slots=True)
class Interface:
    """A further network interface of one node; `path` is its place in lab.yaml.

    Parameters:
        path: its place in lab.yaml.
        network: None: that of the room, and lab.yaml does not say which.
        address: None: by DHCP.
        bridge: the interface of this computer that leads to the room's network; empty: private.
    """

    path: KeyPath
    network: IPv4Network | None
    address: str | None
    bridge: str


@dataclass(frozen=True, slots=True)
class NodeOptions:
    """The options of one node, with the lab's filled in.

    Parameters:
        name: the node's.
        path: the place of its own keys in lab.yaml; empty: the lab has a number of nodes.
        box: its own box; None: the lab's.
        disk: in GiB; None: as the box has it.
        gui: show its screen.
        nested: it runs virtual machines itself.
        forwards: ports of this computer that lead to it.
        interfaces: beside the one in the lab's network.
        provider_options: by the provider's name.
        snippets: scripts, the lab's first.
    """

    name: str
    path: KeyPath
    box: Box | None
    disk: int | None
    gui: bool
    nested: bool
    forwards: tuple[Forward, ...]
    interfaces: tuple[Interface, ...]
    provider_options: Mapping[str, Mapping[str, Any]]
    snippets: tuple[Snippet, ...]


def of_nodes(
    lab: MachineOptions, nodes: Sequence[NodeSpec] | None, names: Sequence[str]
) -> tuple[NodeOptions, ...]:
    """Return the options of each node of a lab of virtual machines, in the nodes' order.

    Parameters:
        lab: the options of all nodes.
        nodes: the nodes that lab.yaml lists; None: it has their number.
        names: of all nodes.
    """
    made = []
    for index, name in enumerate(names):
        own = None if nodes is None else nodes[index]
        path: KeyPath = () if own is None else ("nodes", index)
        parts: list[tuple[MachineOptions, KeyPath]] = [(lab, ())]
        parts += [] if own is None else [(own, path)]
        disk, gui, nested = (
            next((v for part, _ in reversed(parts) if (v := getattr(part, key)) is not None), None)
            for key in ("disk", "gui", "nested")
        )
        made.append(
            NodeOptions(
                name,
                path,
                None if own is None else own.box,
                disk,
                bool(gui),
                bool(nested),
                tuple(port for part, at in parts for port in _forwards(part, at, index)),
                tuple(card for part, at in parts for card in _interfaces(part, at, index)),
                _merged([part.provider_options for part, _ in parts]),
                tuple(one for part, _ in parts for one in part.provision),
            )
        )
    return tuple(made)


def private_networks(nodes: Iterable[NodeOptions]) -> tuple[str, ...]:
    """Return the further networks of nodes, without those of the room."""
    cards = (card for node in nodes for card in node.interfaces)
    return tuple(dict.fromkeys(str(card.network) for card in cards if _is_private(card)))


def _is_private(card: Interface) -> bool:
    return card.network is not None and not card.bridge


def _forwards(part: MachineOptions, at: KeyPath, index: int) -> Iterator[Forward]:
    for number, port in enumerate(part.forwarded_ports):
        host = port.host if at else port.host + index
        path = (*at, "forwarded_ports", number)
        yield Forward(path, port.guest, host, port.protocol, port.host_ip)


def _interfaces(part: MachineOptions, at: KeyPath, index: int) -> Iterator[Interface]:
    for number, card in enumerate(part.networks):
        network = _network(card)
        address = card.address
        if address is None and network is not None and card.bridge is None:
            counted = addresses.node_address(network, index + 1)
            address = str(counted) if counted else None
        path = (*at, "networks", number)
        yield Interface(path, network, address, card.bridge or "")


def _network(card: FurtherNetwork) -> IPv4Network | None:
    """Return the network of an interface, None if it is missing or invalid."""
    if card.network is None or addresses.network_problem(card.network, bridge_moved=True):
        return None
    return IPv4Network(card.network)


def _merged(all_of: list[dict[str, dict[str, Any]]]) -> dict[str, dict[str, Any]]:
    merged: dict[str, dict[str, Any]] = {}
    for options in all_of:
        for provider, values in options.items():
            merged[provider] = merged.get(provider, {}) | values
    return merged
