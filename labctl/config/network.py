"""The lab's private network: which one may be used, and which address each node gets.

Pure functions over `ipaddress`. The limits of a provider are in its module in `labctl.machines`.
"""

from __future__ import annotations

import ipaddress
from ipaddress import IPv4Address, IPv4Network

from labctl.messages import msg

# Node i gets network + OFFSET + i: docker-node1 ends in .11. Room below it stays for the host (.1),
# and for DHCP ranges of providers.
OFFSET = 10

_PRIVATE = tuple(map(IPv4Network, ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16")))
_DOCKER_BRIDGE = IPv4Network("172.17.0.0/16")


def node_address(network: IPv4Network, index: int) -> IPv4Address | None:
    """Return the address of node `index` (from 1), None if the network has no room for it."""
    offset = OFFSET + index
    if offset >= network.num_addresses - 1:
        return None
    return network[offset]


def capacity(network: IPv4Network) -> int:
    """Return how many nodes fit into `network`."""
    return max(0, network.num_addresses - 2 - OFFSET)


def network_problem(text: str, *, bridge_moved: bool = False) -> tuple[str, str] | None:
    """Return (message, hint) if `text` cannot be a lab's network, else None.

    `text` has the shape a.b.c.d/n. `bridge_moved`: docker's own bridge does not use its default
    network.
    """
    try:
        network = IPv4Network(text)
    except ipaddress.NetmaskValueError:
        return msg("{text!r} has no valid prefix length", text=text), msg("use one from /16 to /28")
    except ValueError:
        meant = ipaddress.ip_network(text, strict=False)
        return msg("{text!r} is an address inside a network", text=text), msg(
            "the network itself is {meant}", meant=meant
        )
    if not 16 <= network.prefixlen <= 28:
        return msg("{text!r} must have a prefix from /16 to /28", text=text), ""
    if not any(network.subnet_of(private) for private in _PRIVATE):
        hint = msg("use one inside 192.168.0.0/16, 10.0.0.0/8 or 172.16.0.0/12")
        return msg("{network!r} is not a private network", network=text), hint
    if network.overlaps(_DOCKER_BRIDGE) and not bridge_moved:
        hint = msg("use another network, or move the bridge with docker.daemon.bip")
        return msg(
            "{text!r} overlaps {docker_bridge}, which docker's own bridge uses",
            text=text,
            docker_bridge=_DOCKER_BRIDGE,
        ), hint
    return None


def address_problem(address: str, network: IPv4Network) -> str | None:
    """Return why a node cannot have `address` (a valid IPv4 address) in `network`, or None."""
    at = IPv4Address(address)
    if at not in network:
        return msg(
            "{address} is outside the lab's network {network}", address=address, network=network
        )
    if at == network.network_address:
        return msg("{address} is the address of the network itself", address=address)
    if at == network.broadcast_address:
        return msg("{address} is the network's broadcast address", address=address)
    if at == network.network_address + 1:
        return msg("{address} is this computer's own address in the network", address=address)
    return None
