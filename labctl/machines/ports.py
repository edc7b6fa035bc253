"""Which ports of this computer are free."""

from __future__ import annotations

import errno
import os
import socket

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
