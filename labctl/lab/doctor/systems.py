"""What each operating system says of itself, read: routes and firewall. Functions of text.

Neither the standard library nor psutil knows it, and every system tells it in a way of its own.
"""

from __future__ import annotations

import ipaddress
import struct
from ipaddress import IPv4Network

MIB = 1 << 20
_LEAST_PREFIX = 8
"""A wider route is a VPN's way to say "everything", in two halves; it takes no network away."""


def linux_routes(text: str) -> list[tuple[str, IPv4Network]]:
    """Read (interface, network) from /proc/net/route, whose numbers are hexadecimal."""
    found = []
    for line in text.splitlines()[1:]:
        fields = line.split()
        if len(fields) < 8:
            continue
        address, mask = (
            ipaddress.IPv4Address(struct.pack("=I", int(fields[at], 16))) for at in (1, 7)
        )
        found.append((fields[0], IPv4Network(f"{address}/{mask}", strict=False)))
    return _telling(found)


def macos_routes(text: str) -> list[tuple[str, IPv4Network]]:
    """Read (interface, network) from ``netstat -rn -f inet``, which leaves out zeros in the end."""
    found = []
    for line in text.splitlines():
        fields = line.split()
        if len(fields) < 4:
            continue
        address, _, prefix = fields[0].partition("/")
        octets = address.split(".")
        try:
            bits = int(prefix) if prefix else 8 * len(octets)
            whole = ".".join([*octets, *["0"] * (4 - len(octets))])
            found.append((fields[3], IPv4Network(f"{whole}/{bits}", strict=False)))
        except ValueError:
            continue  # a heading, or "default"
    return _telling(found)


def windows_routes(text: str) -> list[tuple[str, IPv4Network]]:
    """Read (address of the interface, network) from ``route print -4``.

    Its words are in the language of the system; lines that begin with an address and a mask are in
    none.
    """
    found = []
    for line in text.splitlines():
        fields = line.split()
        try:
            network = IPv4Network(f"{fields[0]}/{fields[1]}", strict=False)
            found.append((str(ipaddress.IPv4Address(fields[-2])), network))
        except (ValueError, IndexError):
            continue
    return _telling(found)


def _telling(found: list[tuple[str, IPv4Network]]) -> list[tuple[str, IPv4Network]]:
    """Leave out default routes and those to single hosts."""
    return [(name, net) for name, net in found if _LEAST_PREFIX <= net.prefixlen < 32]


def windows_firewall(text: str) -> str | None:
    """Read what ``netsh advfirewall show allprofiles state`` prints; None in another language."""
    states = [line.split()[-1] for line in text.splitlines() if line.startswith("State")]
    if not states:
        return None
    return "Windows Firewall" if "ON" in states else ""
