"""Lets nodes reach the lab's kit, through labctl's own ssh connections.

sshd on the node listens on a port of the node's loopback address, and labctl answers there from the
kit. So no port of this computer is open, no firewall asks, and no address must be known, whatever
network lies between. It ends with the command.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol

from labctl.errors import ConnectFailed, KitError, LabctlError, RemoteError
from labctl.events import Emit, Notice
from labctl.kit.server import DIGEST_PATH, PORT, URL, Handler, handler
from labctl.messages import msg

if TYPE_CHECKING:
    from labctl.kit.folder import Kit
    from labctl.remote.connection import Connection

_TAKEN_SECONDS = 20.0
"""Seconds to wait for the port of a labctl that has just ended."""
_PAUSE = 1.0


class Connect(Protocol):
    """Returns a connection to a node that is not open yet; see `labctl.lab.lab.Lab.connection`."""

    def __call__(self, name: str, *, patience: float = ...) -> Connection: ...


class KitSupply:
    """Nodes reach the kit while this context manager is open. No-op for a lab without a kit.

    It may be opened several times; the last exit ends it.

    Parameters:
        kit: returns the lab's kit; None: it has none.
        connect: connects to nodes.
        emit: takes the events.
    """

    def __init__(
        self,
        kit: Callable[[], Kit | None],
        connect: Connect,
        emit: Emit,
    ) -> None:
        self._kit, self._connect, self._emit = kit, connect, emit
        self._digest = ""
        self._depth = 0
        self._handler: type[Handler] | None = None
        self._ended = threading.Event()
        self._guard = threading.Lock()
        self._locks: dict[str, threading.Lock] = {}
        self._connections: dict[str, Connection] = {}
        self._reported: set[str] = set()

    def __enter__(self) -> KitSupply:
        self._depth += 1
        kit = self._kit() if self._depth == 1 else None
        if kit is not None:
            self._handler = handler(kit, self._report)
            self._digest = kit.digest
        return self

    def __exit__(self, *_: object) -> None:
        self._depth -= 1
        if self._depth:
            return
        self._handler = None
        self._ended.set()
        self._ended = threading.Event()
        for connection in self._connections.values():
            connection.end()
        self._connections.clear()

    def reach(self, node: str, *, patience: float = 0.0) -> None:
        """Let a node reach the kit until this ends; no-op if it does.

        Parameters:
            node: its name.
            patience: seconds to keep trying while its sshd does not answer.

        Raises:
            RemoteError: it could not be reached, or its sshd does not allow it.
        """
        if self._handler is None:
            return
        with self._guard:
            lock = self._locks.setdefault(node, threading.Lock())
        with lock:
            known = self._connections.get(node)
            if known is not None:
                with contextlib.suppress(LabctlError):
                    if known.is_open:
                        return
                known.end()
            connection = self._connect(node, patience=patience)
            try:
                serving = self._listen(node, connection)
            except BaseException:
                connection.end()
                raise
            self._connections[node] = connection
            arguments = (node, connection, serving, self._ended)
            keeper = threading.Thread(target=self._keep, args=arguments, daemon=True)
            keeper.start()

    def _listen(self, node: str, connection: Connection) -> bool:
        """Return False if another labctl of this computer serves the same kit there."""
        end = time.monotonic() + _TAKEN_SECONDS
        while not self._try(connection):
            answer = self._answer(connection)
            if answer == self._digest:
                return False
            if answer or time.monotonic() > end:
                raise _refused(node, taken=bool(answer))
            time.sleep(_PAUSE)
        return True

    def _try(self, connection: Connection) -> bool:
        from labctl.remote.connect import BROKEN  # loads Fabric, which takes 0.2 s

        transport = connection.transport
        try:
            transport.listen(PORT, self._serve)
        except BROKEN as error:
            if not transport.is_active():
                raise connection.broke(error) from error
            return False
        return True

    def _answer(self, connection: Connection) -> str:
        """Return what answers on the port of the node; empty if nothing does."""
        script = f"curl --silent --max-time 5 --range 0-99 {URL}{DIGEST_PATH} || :"
        return connection.run(script).decode("utf-8", "replace").strip()[:100]

    def _keep(
        self, node: str, connection: Connection, serving: bool, ended: threading.Event
    ) -> None:
        """Listen again whenever the connection broke, as when the node was restarted."""
        while not ended.wait(_PAUSE if serving else _TAKEN_SECONDS):
            if self._connections.get(node) is not connection:
                return
            with contextlib.suppress(LabctlError, OSError):
                if serving and connection.is_open:
                    continue
                serving = self._listen(node, connection)

    def _serve(self, channel: Any) -> None:
        assert self._handler is not None
        self._handler(channel, ("node", 0), None)  # type: ignore[arg-type]

    def _report(self, error: KitError) -> None:
        with self._guard:
            if error.message in self._reported:
                return
            self._reported.add(error.message)
        self._emit(Notice("", error.message))


def _refused(node: str, *, taken: bool) -> RemoteError:
    if taken:
        return ConnectFailed(
            msg("port {port} of the node, which the kit needs, is in use", port=PORT),
            node=node,
            hint=msg("end the program that uses it; `sudo ss -ltnp` on the node names it"),
        )
    return ConnectFailed(
        "the node's sshd does not let labctl serve the kit",
        node=node,
        hint="set `AllowTcpForwarding yes` in /etc/ssh/sshd_config on the node, and restart sshd; "
        "it is the default",
    )
