"""Parsers of each operating system's report of its routes and firewall.

Neither the standard library nor psutil offers this, and every system has its own format.
"""

from __future__ import annotations

import ipaddress
import struct
from ipaddress import IPv4Network

from labctl.messages import msg

MIB = 1 << 20
_LEAST_PREFIX = 8
"""A wider route is a VPN's split default route; it occupies no network."""


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
    """Read (interface, network) from ``netstat -rn -f inet``, which omits trailing zeros."""
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

    Its headings are localized, but lines that start with an address and a mask are not.
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
    """Skip default routes and routes to single hosts."""
    return [(name, net) for name, net in found if _LEAST_PREFIX <= net.prefixlen < 32]


def windows_firewall(text: str) -> str | None:
    """Read the output of ``netsh advfirewall show allprofiles state``; None if localized."""
    states = [line.split()[-1] for line in text.splitlines() if line.startswith("State")]
    if not states:
        return None
    return msg("Windows Firewall") if "ON" in states else ""
