"""Which ports of this computer are free, and which addresses beside it are in use."""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from ipaddress import IPv4Address, IPv4Network

from labctl.messages import msg


def problem(address: str, port: int, protocol: str) -> str:
    """Return why nothing can listen on a port of this computer; empty if something can.

    Parameters:
        address: of this computer; 0.0.0.0: all of them.
        port: the number.
        protocol: tcp or udp.
    """
    kind = socket.SOCK_DGRAM if protocol == "udp" else socket.SOCK_STREAM
    with socket.socket(socket.AF_INET, kind) as probe:
        if os.name == "posix" and kind is socket.SOCK_STREAM:
            # Connections that ended lately do not keep a port; a program that listens does. On
            # Windows this option would share a port in use.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address, port))
        except OSError as error:
            if error.errno == errno.EADDRNOTAVAIL:
                return msg("this computer does not have the address {address}", address=address)
            if error.errno in (errno.EADDRINUSE, errno.EACCES):
                return msg(
                    "port {port}/{protocol} of this computer is in use",
                    port=port,
                    protocol=protocol,
                )
            return msg("cannot listen on port {port}: {reason}", port=port, reason=error.strerror)
    return ""


_PATIENCE = 0.5
"""Seconds. A machine on a network of this computer answers within a millisecond."""


def taken(addresses: Sequence[str], network: str, port: int = 22) -> list[str]:
    """Return which of some addresses answer already, if this computer is part of their network.

    Parameters:
        addresses: to look at.
        network: theirs.
        port: that machines answer on.
    """
    if not addresses or not _attached(addresses[0], IPv4Network(network)):
        return []
    with ThreadPoolExecutor(max_workers=min(16, len(addresses))) as pool:
        return [
            a
            for a, found in zip(addresses, pool.map(_answers(port), addresses), strict=True)
            if found
        ]


def _answers(port: int) -> Callable[[str], bool]:
    def answers(address: str) -> bool:
        try:
            socket.create_connection((address, port), _PATIENCE).close()
        except ConnectionRefusedError:
            return True
        except OSError:
            return False
        return True

    return answers


def _attached(address: str, network: IPv4Network) -> bool:
    """Return whether this computer would send to an address from within its network."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect((address, 9))  # sends nothing
            return IPv4Address(probe.getsockname()[0]) in network
        except OSError:
            return False
