"""docker's own networks, kept away from the addresses that the node needs.

docker's first start makes a bridge with the network 172.17.0.0/16, and each network that somebody
creates gets another one below 172.16.0.0/12 or 192.168.0.0/16. docker checks the node's routes
before it takes one, but an instructor behind the default route is in none of them: the connection
ends in the middle of the installation (moby#27213).
"""

import ipaddress
from ipaddress import IPv4Network
from typing import Any

from labctl.playbook import Observed

BRIDGE = IPv4Network("172.17.0.0/16")
POOLS = (*(IPv4Network(f"172.{n}.0.0/16") for n in range(17, 32)), IPv4Network("192.168.0.0/16"))
"""The networks that docker takes by itself; the first one is the bridge's."""
OTHERS = tuple(
    IPv4Network(text)
    for text in ("10.213.0.0/16", "10.87.0.0/16", "10.141.0.0/16", "172.30.0.0/16", "172.23.0.0/16")
)
"""Networks to move to: rarely used by anybody."""
OWN_KEYS = frozenset({"bip", "bridge", "fixed-cidr", "default-address-pools"})
"""With one of these, lab.yaml chooses the networks itself."""


def keys(seen: Observed, lab: tuple[str, ...]) -> dict[str, Any]:
    """Return the keys of daemon.json that move docker's networks; none if they may stay.

    Parameters:
        seen: what networks.sh printed. It is measured once, because the node's routes and the
            address of the ssh client change with the place from where somebody connects.
        lab: the addresses of the lab's nodes.
    """
    needed = [_network(address) for address in lab]
    bridge = None
    for line in seen.output.splitlines():
        word, *rest = line.split()
        if word == "bridge":
            bridge = _network(rest[0])
        elif word == "route" and rest and rest[0] != "default":
            needed.append(_network(rest[0]))
        elif word == "route":
            needed += [_network(rest[i + 1]) for i, w in enumerate(rest[:-1]) if w == "via"]
        elif word == "address":
            needed += [_network(address) for address in rest]
        elif word == "ssh":
            needed += [_network(address) for address in rest[0:3:2]]
    taken = [network for network in needed if network is not None]
    free = [network for network in OTHERS if not _overlaps(network, taken)]
    found: dict[str, Any] = {}
    # A bridge that exists lets this very connection through, so it stays where it is.
    if bridge is not None:
        free.sort(key=lambda network: network != bridge)
    if _overlaps(BRIDGE, taken) and free and bridge in (None, free[0]):
        found["bip"] = f"{free[0][1]}/{free[0].prefixlen}"
    # docker checks the routes itself, but not hosts behind the default route. If the bridge was
    # moved, the next network that somebody creates would get the network that it left.
    routes = [network for network in taken if network.prefixlen < 32]
    hosts = [network for network in taken if network.prefixlen == 32]
    unknown = [host for host in hosts if not any(host.subnet_of(net) for net in routes)]
    pools = POOLS if "bip" in found else POOLS[1:]
    if len(free) > 1 and any(_overlaps(pool, unknown) for pool in pools):
        found["default-address-pools"] = [{"base": str(free[1]), "size": 24}]
    return found


def _network(text: str) -> IPv4Network | None:
    try:
        return ipaddress.IPv4Network(text, strict=False)
    except ValueError:
        return None


def _overlaps(network: IPv4Network, others: list[IPv4Network]) -> bool:
    return any(network.overlaps(other) for other in others if other.prefixlen > 0)
