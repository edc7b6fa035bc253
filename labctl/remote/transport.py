"""paramiko's transport with the limits that it lacks.

A node is not trusted: root on it can replace sshd. paramiko accepts packets of any length, data
beyond the window that it offered, and silence for ever once the login is done.
"""

from __future__ import annotations

import contextlib
import logging
import socket
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import paramiko
from paramiko.buffered_pipe import BufferedPipe

from labctl.messages import msg
from labctl.remote.password_login import PasswordLogin

WINDOW = 1 << 22
"""Bytes that a node may send before they are read: enough for a line of 300 Mbit/s and 100 ms.
paramiko offers half of it. Reads take as much, because paramiko moves the rest of its buffer after
each one."""

PACKET = 1 << 17
"""Longest packet, in bytes, that a node may send. OpenSSH uses all of it. paramiko would offer
32 KiB, which means four times the work in Python."""

REKEY_BYTES = 1 << 36
"""Bytes after which keys are exchanged again, as RFC 4344 requires for AES. paramiko does so after
half a GiB, and a file of that size then hangs: its reading thread waits for itself."""

FAST_CIPHERS = ("aes128-gcm@openssh.com", "aes256-gcm@openssh.com")
"""Tried first, because they need no separate MAC, which is a third of the work."""

KEEPALIVE = 10.0
"""Seconds without other traffic after which the node is asked for a sign of life. It also keeps
firewalls from dropping the connection."""

DEAD_AFTER = 45.0
"""Seconds without a single byte from the node after which the connection counts as broken."""

_MOST_CONNECTIONS = 32
"""Connections of a node to this computer that are served at once; further ones are closed."""

# paramiko's words about connections, tracebacks included, are for labctl's log only. Without a
# handler, Python would print them.
logging.getLogger("paramiko").addHandler(logging.NullHandler())
logging.getLogger("paramiko").propagate = False


class Transport(paramiko.Transport):
    """A transport that ends when the node breaks the protocol or no longer answers.

    `cause` says why it ended, if it was for one of these reasons. `login` answers if the host wants
    a password after a key.
    """

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.cause = ""
        self.login: PasswordLogin | None = None
        self._heard = time.monotonic()
        security = self.get_security_options()
        known = security.ciphers
        fast = tuple(cipher for cipher in FAST_CIPHERS if cipher in known)
        security.ciphers = (*fast, *(cipher for cipher in known if cipher not in fast))
        packetizer: Any = self.packetizer
        packetizer.REKEY_BYTES = REKEY_BYTES
        self._read_all = packetizer.read_all
        packetizer.read_all = self._read_packet
        inet = (socket.AF_INET, socket.AF_INET6)
        if isinstance(self.sock, socket.socket) and self.sock.family in inet:
            # Otherwise a command waits 40 ms until the data before it is acknowledged.
            self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def watch(self) -> None:
        """Begin to ask the node for signs of life; the login must be done."""
        self._heard = time.monotonic()
        packetizer: Any = self.packetizer
        packetizer.set_keepalive(KEEPALIVE, self._ask)

    def auth_interactive_dumb(self, username: str, *_: Any, **__: Any) -> list[Any]:
        """Go on after a key that was not enough; paramiko would ask on this process's stdin.

        Raises:
            AuthenticationException: the password is missing, or was refused.
        """
        if self.login is None:
            raise paramiko.AuthenticationException(msg("it asks for a password after the key"))
        return self.login.authenticate(self)

    def execute(self, command: str, timeout: float) -> Any:
        """Start a command line on a channel of its own.

        Parameters:
            command: for the login user's shell.
            timeout: seconds for the node's answers to each of the two requests.

        Returns:
            The open channel.

        Raises:
            TimeoutError: the node did not answer.
            SSHException: it refused, or broke off.
        """
        channel: Any = self.open_session(WINDOW, PACKET, timeout=timeout)
        for stream in ("in_buffer", "in_stderr_buffer"):
            setattr(channel, stream, _Window())
        with _limited(timeout, channel):
            channel.exec_command(command.encode("utf-8", "surrogateescape"))
        return channel

    def listen(self, port: int, serve: Callable[[Any], object]) -> None:
        """Let the node's sshd accept connections on a port of its loopback address.

        Parameters:
            port: on the node.
            serve: called with the channel of each connection, in a thread of its own; the channel
                is closed afterwards.

        Raises:
            SSHException: sshd does not allow it, or the port is in use.
        """
        places = threading.BoundedSemaphore(_MOST_CONNECTIONS)

        def work(channel: Any) -> None:
            try:
                with contextlib.suppress(OSError, EOFError, paramiko.SSHException):
                    serve(channel)
            finally:
                channel.close()
                places.release()

        def accept(channel: Any, _origin: Any, _server: Any) -> None:
            if not places.acquire(blocking=False):
                channel.close()
                return
            for stream in ("in_buffer", "in_stderr_buffer"):
                setattr(channel, stream, _Window())
            threading.Thread(target=work, args=(channel,), name="forward", daemon=True).start()

        self.request_port_forward("127.0.0.1", port, accept)

    def _read_packet(self, size: int, check_rekey: bool = False) -> bytes:
        if size > 2 * PACKET:
            self.cause = msg("a packet of {size} bytes arrived", size=size)
            raise paramiko.SSHException(self.cause)
        data: bytes = self._read_all(size, check_rekey)
        self._heard = time.monotonic()
        return data

    def _ask(self) -> None:
        """Called by the thread that reads, while there is nothing to read."""
        silent = time.monotonic() - self._heard
        if silent > DEAD_AFTER:
            self.cause = msg("the node has not answered for {seconds:.0f} s", seconds=silent)
            raise EOFError(self.cause)
        # The request waits for its answer, or for the end of the transport.
        asking = threading.Thread(
            target=self._request, name="keepalive", args=("keepalive@openssh.com",), daemon=True
        )
        asking.start()

    def _request(self, kind: str) -> None:
        with contextlib.suppress(Exception):
            self.global_request(kind)


class _Window(BufferedPipe):  # type: ignore[type-arg]
    """Unread data of a node, limited to the window that the node was given."""

    def feed(self, data: bytes) -> None:
        if len(self) > WINDOW + PACKET:
            raise paramiko.SSHException("the node sends more than it was allowed to")
        super().feed(data)


@contextlib.contextmanager
def _limited(seconds: float, channel: Any) -> Iterator[None]:
    """Close the channel if the block takes too long.

    Raises:
        TimeoutError: it did.
    """
    late = threading.Event()

    def end() -> None:
        late.set()
        # `close` would leave the wait for the node's answer as it is.
        channel.transport.close()

    timer = threading.Timer(seconds, end)
    timer.daemon = True
    timer.start()
    try:
        yield
    except Exception as error:
        if late.is_set():
            raise TimeoutError(f"no answer for {seconds:.0f} s") from error
        raise
    finally:
        timer.cancel()
