"""A TCP connection to a node that is made while the libraries which speak over it are loaded.

Loading them takes as long as sshd takes from the connection to its greeting. Nothing is imported
here but the sockets themselves, and no thread waits.
"""

from __future__ import annotations

import contextlib
import os
import select
import socket
import time

from labctl.remote.target import Target

_PATIENCE = 10.0
"""Seconds after which a connection that nobody took is not used: sshd gives up on who is silent."""


class Dial:
    """A connection that is begun at once and taken later, or never.

    Only nodes that are reached directly and by address are dialled, since looking up a name would
    take time now.

    Parameters:
        target: the node.
    """

    def __init__(self, target: Target) -> None:
        self._socket: socket.socket | None = None
        self._began = time.monotonic()
        if target.jump or target.proxy:
            return
        for family in (socket.AF_INET, socket.AF_INET6):
            with contextlib.suppress(OSError, ValueError):
                socket.inet_pton(family, target.host)
                self._socket = socket.socket(family, socket.SOCK_STREAM)
                self._socket.setblocking(False)
                self._socket.connect_ex((target.host, target.port))  # it goes on by itself
                return

    def take(self, timeout: float) -> socket.socket | None:
        """Return the connection, whose owner is the caller then.

        Parameters:
            timeout: seconds to wait for it.

        Returns:
            None if there is none, it was taken before, or nobody took it for long.

        Raises:
            OSError: nothing answers.
        """
        found, self._socket = self._socket, None
        if found is None:
            return None
        if time.monotonic() - self._began > _PATIENCE:
            found.close()
            return None
        try:
            # Windows tells of a failure by the third list alone.
            _, ready, failed = select.select([], [found], [found], timeout)
            if not ready and not failed:
                raise TimeoutError("timed out")
            number = found.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            if number:
                raise OSError(number, os.strerror(number))
            found.setblocking(True)
        except BaseException:
            found.close()
            raise
        return found

    def close(self) -> None:
        """End the connection if nobody took it."""
        found, self._socket = self._socket, None
        if found is not None:
            found.close()
