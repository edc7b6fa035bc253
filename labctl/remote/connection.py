"""A node over ssh: commands as the login user, scripts as root.

Commands go over channels of the connection's transport. Fabric's own `run` is not used because it
feeds stdin at about 100 bytes a second (a byte, then a pause of 10 ms), and here scripts come in on
stdin.
"""

from __future__ import annotations

import contextlib
import shlex
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

from labctl.errors import ConnectFailed, Interrupted, ProtocolError, SudoRefused
from labctl.messages import msg
from labctl.remote.channel import PACKET, WINDOW, Streams
from labctl.remote.connect import BROKEN, connect, disconnect
from labctl.remote.hostkeys import HostKeys
from labctl.remote.shell import MARK, ShellSession
from labctl.remote.target import CONNECT_TIMEOUT, Target

_SETTLE = 0.5
"""Seconds until paramiko reports a broken connection after it has ended the channels."""


class Connection:
    """A connection to a node that opens when it is first used, with a root shell.

    It is a `Shell` as `labctl.remote.exchange` needs one.

    Parameters:
        target: where the node is and who logs in.
        hostkeys: where its host key is recorded.
        sudo_password: for a login user who needs one; None: sudo must not ask.
        patience: seconds to keep trying while nothing answers, as right after a boot.
        timeout: seconds for each step of one attempt to connect.

    `root` is the root shell, which opens when it is first used and stays open.
    """

    def __init__(
        self,
        target: Target,
        hostkeys: HostKeys,
        *,
        sudo_password: str | None = None,
        patience: float = 0.0,
        timeout: float = CONNECT_TIMEOUT,
    ) -> None:
        self.target = target
        self._hostkeys = hostkeys
        self._password = sudo_password
        self._patience = patience
        self._timeout = timeout
        self._fabric: Any = None
        self._ended = threading.Event()
        self._sudo_asks: bool | None = None
        self.root = ShellSession(self, root=True)

    @property
    def name(self) -> str:
        return self.target.name

    def __enter__(self) -> Connection:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection; a later call opens another."""
        self.root.close()
        self._disconnect()
        self._fabric = None

    def end(self) -> None:
        """Close the connection for good, from any thread.

        Running commands break off. Whatever connects now or later raises `Interrupted`.
        """
        # Only the thread that uses the rest may close it.
        self._ended.set()
        self._disconnect()

    def _disconnect(self) -> None:
        fabric = self._fabric
        if fabric is not None:
            with contextlib.suppress(Exception):
                disconnect(fabric)

    def run(self, script: str) -> bytes:
        """Run a script as root and return its stdout.

        One root shell runs all scripts of a connection, because starting sudo takes longer than
        most of them.

        Raises:
            SudoRefused: the login user may not become root, or the password is wrong.
            RemoteError: the node could not be reached, or broke off.
        """
        return self.root.attempt(script)[1]

    def call(self, command: str, stdin: bytes = b"") -> tuple[int, bytes, bytes]:
        """Run a command line as the login user and return its output.

        Parameters:
            command: a command line for the login user's shell.
            stdin: what it reads.

        Returns:
            Exit code, stdout, stderr. The exit code is -1 if the node broke off without one.

        Raises:
            RemoteError: the node could not be reached, or broke off.
        """
        out, err = bytearray(), bytearray()
        with self.channel(command) as channel:
            streams = Streams(channel, out.extend, err.extend)
            streams.send(stdin)
            status = streams.finish()
        return status, bytes(out), bytes(err)

    def stream(
        self,
        command: str,
        out: Callable[[bytes], object],
        err: Callable[[bytes], object],
        *,
        root: bool = False,
    ) -> int:
        """Run a command line with an empty stdin and pass on its output as it arrives.

        Parameters:
            command: for the login user's shell, or for root's sh.
            out: called with parts of stdout. It must not raise an OSError, because that would be
                reported as a broken connection.
            err: called with parts of stderr; the same holds.
            root: run it as root.

        Returns:
            The exit code; 255 if a signal ended the command.

        Raises:
            SudoRefused: the login user may not become root.
            RemoteError: the node could not be reached, or broke off.
        """
        opening = b""
        before = bytearray()  # what sudo writes to stderr before root's script begins
        begun = not root
        if root:
            command, opening = self.script(command)

        def take_error(data: bytes) -> None:
            nonlocal begun
            if not begun:
                before.extend(data)
                _, mark, data = bytes(before).partition(MARK)
                begun = bool(mark)
            if data:
                err(data)

        with self.channel(command) as channel:
            streams = Streams(channel, out, take_error)
            streams.send(opening)
            code = streams.finish()
            if code < 0:
                channel.transport.join(_SETTLE)
                if not channel.transport.is_active():
                    raise EOFError("the node ended it")
        if not begun and before:
            raise self.sudo_refused(bytes(before))
        return code if code >= 0 else 255

    @contextlib.contextmanager
    def channel(self, command: str) -> Iterator[Any]:
        """Start a command line on a channel of its own; close the channel in the end.

        Parameters:
            command: a command line for the login user's shell.

        Yields:
            The paramiko channel. An OSError in the block is reported as a broken connection.

        Raises:
            RemoteError: the node could not be reached, or broke off.
        """
        channel: Any = None
        try:
            channel = self._open_channel()
            channel.exec_command(command.encode("utf-8", "surrogateescape"))
            yield channel
        except BROKEN as error:
            raise self.broke(error) from error
        finally:
            if channel is not None:
                with contextlib.suppress(Exception):
                    channel.close()

    def _open_channel(self) -> Any:
        try:
            return self.transport.open_session(WINDOW, PACKET, timeout=self._timeout)
        except BROKEN:
            # The connection died while it was idle, as when the node rebooted: try once more.
            self.close()
            return self.transport.open_session(WINDOW, PACKET, timeout=self._timeout)

    @property
    def transport(self) -> Any:
        """The open paramiko transport."""
        return self._open().transport

    # -- becoming root

    def script(self, script: str, *arguments: str, root: bool = True) -> tuple[str, bytes]:
        """Return how to run a script with `channel` or `call`.

        Parameters:
            script: POSIX sh.
            arguments: its $1, $2 and so on; they need no quoting.
            root: run it as root instead of as the login user.

        Returns:
            The command line, and what must be written to stdin first: the password if sudo asks.
            A script of root writes `MARK` to stderr before anything else; see `own_words`.
        """
        if root:
            script = f"printf '\\036\\n' >&2\n{script}"
        shell = shlex.join(["sh", "-c", script, "labctl", *arguments])
        if not root or self.target.user == "root":
            return shell, b""
        if self._password is None or not self._asks(self._password):
            return f"sudo -n {shell}", b""
        return f"sudo -k -S -p '' {shell}", self._password.encode() + b"\n"

    def _asks(self, password: str) -> bool:
        """Tell whether sudo asks for the password.

        The script would read a password that sudo doesn't ask for, and sudo would try the lines of
        a script after a wrong one. So both are found out before a script is sent.

        Raises:
            SudoRefused: the password is wrong.
        """
        if self._sudo_asks is None:
            free, _, _ = self.call("sudo -n true")
            if free != 0:
                right, _, words = self.call("sudo -k -S -p '' true", password.encode() + b"\n")
                if right != 0:
                    raise self.sudo_refused(words)
            self._sudo_asks = free != 0
        return self._sudo_asks

    def broke(self, error: BaseException) -> ProtocolError:
        """Close the connection; return the error that reports that it broke."""
        self.close()
        return ProtocolError(
            msg("the connection broke: {error}", error=error or type(error).__name__),
            node=self.name,
            hint="look whether the node is still up, then run the same command again",
        )

    def own_words(self, err: bytes, status: int) -> bytes:
        """Return what a script of root wrote to stderr, without what sudo wrote before it.

        Parameters:
            err: all of stderr.
            status: exit code.

        Raises:
            SudoRefused: sudo ran nothing.
        """
        _, mark, words = err.partition(MARK)
        if not mark and err and status > 0:
            raise self.sudo_refused(err)
        return words if mark else err

    def sudo_refused(self, err: bytes) -> SudoRefused:
        """Return the error for what sudo wrote to stderr instead of running the script."""
        text = err.decode("utf-8", "replace").strip()
        hint = msg("give the login user the right to run sudo")
        if "password is required" in text or "a terminal is required" in text:
            hint = msg(
                "run it with --ask-sudo-password, or let the user run sudo without a password"
            )
        elif "incorrect password" in text or "try again" in text:
            hint = msg("the sudo password is wrong")
        return SudoRefused(
            msg("{user} cannot become root", user=self.target.user or msg("the login user")),
            node=self.name,
            hint=hint,
            details=text,
        )

    # -- connecting

    def _open(self) -> Any:
        if self._fabric is not None and self._fabric.is_connected:
            return self._fabric
        self._disconnect()  # what is left of a broken one, such as that to the jump host
        deadline = time.monotonic() + self._patience
        pause = 0.2
        while True:
            self._stop_if_ended()
            try:
                self._fabric = connect(self.target, self._hostkeys, self._timeout)
                self._stop_if_ended()
                return self._fabric
            except ConnectFailed:
                if time.monotonic() + pause > deadline:
                    raise
            self._ended.wait(pause)
            pause = min(pause * 1.5, 2.0)

    def _stop_if_ended(self) -> None:
        if self._ended.is_set():
            self.close()
            raise Interrupted("interrupted", node=self.name)
