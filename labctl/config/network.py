"""The lab's private network: which one may be used, and which address each node gets.

Pure functions over `ipaddress`. What a provider refuses is known here, because the provider says so
only after minutes, and in words that help nobody.
"""

from __future__ import annotations

import ipaddress
from ipaddress import IPv4Address, IPv4Network

NETWORKS_CONF = "/etc/vbox/networks.conf"
# Node i gets network + OFFSET + i: docker-node1 ends in .11. Room below it stays for the host (.1),
# and for DHCP ranges of providers.
OFFSET = 10

_PRIVATE = tuple(map(IPv4Network, ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16")))
_VIRTUALBOX_ALLOWED = (IPv4Network("192.168.56.0/21"),)
# Networks that exist on every node already; a lab network on top of one takes its routes away.
_TAKEN = {
    "virtualbox": (IPv4Network("10.0.2.0/24"), "VirtualBox's NAT network"),
    "libvirt": (IPv4Network("192.168.121.0/24"), "vagrant-libvirt's management network"),
}
_DOCKER_BRIDGE = IPv4Network("172.17.0.0/16")


def node_address(network: IPv4Network, index: int) -> IPv4Address | None:
    """Return the address of node `index` (from 1), None where the network has no room for it."""
    offset = OFFSET + index
    if offset >= network.num_addresses - 1:
        return None
    return network[offset]


def capacity(network: IPv4Network) -> int:
    """Return how many nodes get an address by count in `network`."""
    return max(0, network.num_addresses - 2 - OFFSET)


def network_problem(text: str, *, bridge_moved: bool = False) -> tuple[str, str] | None:
    """Return (message, hint) if `text` cannot be a lab's network, else None.

    `text` has the shape a.b.c.d/n. `bridge_moved` says that docker's own bridge does not use its
    default network.
    """
    try:
        network = IPv4Network(text)
    except ipaddress.NetmaskValueError:
        return f"{text!r} has no valid prefix length", "use one from /16 to /28"
    except ValueError:
        meant = ipaddress.ip_network(text, strict=False)
        return f"{text!r} is an address inside a network", f"the network itself is {meant}"
    if not 16 <= network.prefixlen <= 28:
        return f"{text!r} must have a prefix from /16 to /28", ""
    if not any(network.subnet_of(private) for private in _PRIVATE):
        hint = "use one inside 192.168.0.0/16, 10.0.0.0/8 or 172.16.0.0/12"
        return f"{text!r} is not a private network", hint
    if network.overlaps(_DOCKER_BRIDGE) and not bridge_moved:
        hint = "use another network, or move the bridge with docker.daemon.bip"
        return f"{text!r} overlaps {_DOCKER_BRIDGE}, which docker's own bridge uses", hint
    return None


def address_problem(address: str, network: IPv4Network) -> str | None:
    """Return why a node cannot have `address` (a valid IPv4 address) in `network`, or None."""
    at = IPv4Address(address)
    if at not in network:
        return f"{address} is outside the lab's network {network}"
    if at == network.network_address:
        return f"{address} is the address of the network itself"
    if at == network.broadcast_address:
        return f"{address} is the network's broadcast address"
    if at == network.network_address + 1:
        return f"{address} is the host's side of the network"
    return None


def virtualbox_network_problem(
    network: IPv4Network, platform: str, networks_conf: str | None
) -> tuple[str, str] | None:
    """Return (message, hint) if VirtualBox will refuse `network` as a host-only network, else None.

    Parameters:
        network: the lab's network.
        platform: as `sys.platform` has it.
        networks_conf: content of /etc/vbox/networks.conf, None if there is no such file.

    From 6.1.28 on VirtualBox allows 192.168.56.0/21 only, unless networks.conf names other ranges
    (VirtualBox manual, "Host-Only Networking").
    """
    # Windows has never had the check, and macOS lost it with VirtualBox 7; 6.1 there is history.
    if platform in ("win32", "darwin"):
        return None
    allowed = _VIRTUALBOX_ALLOWED if networks_conf is None else _allowed_by(networks_conf)
    if any(network.subnet_of(wide) for wide in allowed):
        return None
    ranges = ", ".join(map(str, allowed)) or "no IPv4 network"
    return (
        f"VirtualBox refuses the network {network}: it allows {ranges}",
        f"use 192.168.56.0/24, or add the line '* {network}' to {NETWORKS_CONF}",
    )


def taken_problem(network: IPv4Network, provider: str) -> str | None:
    """Return why `network` clashes with a network that `provider` puts on every node, or None."""
    if provider not in _TAKEN:
        return None
    taken, owner = _TAKEN[provider]
    return f"{network} overlaps {taken}, {owner}" if network.overlaps(taken) else None


def _allowed_by(networks_conf: str) -> tuple[IPv4Network, ...]:
    """Return the IPv4 ranges of networks.conf: lines of '* RANGE RANGE …', '#' for comments."""
    ranges = []
    for line in networks_conf.splitlines():
        marker, _, rest = line.partition("#")[0].strip().partition(" ")
        for word in rest.split() if marker == "*" else ():
            try:
                ranges.append(IPv4Network(word, strict=False))
            except ValueError:
                continue  # an IPv6 range, or nothing that VirtualBox would understand either
    return tuple(ranges)
