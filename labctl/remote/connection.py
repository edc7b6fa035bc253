"""A node over ssh: command lines as the login user, scripts as root, channels for everything else.

Commands go over channels of the connection's transport. Fabric's own `run` feeds stdin at about 100
bytes a second (a byte, then a pause of 10 ms), and a script comes in on stdin here.
"""

from __future__ import annotations

import contextlib
import shlex
import threading
import time
from collections.abc import Iterator
from typing import Any

from labctl.errors import ConnectFailed, Interrupted, ProtocolError, SudoRefused
from labctl.remote.channel import feed, receive
from labctl.remote.connect import BROKEN, PACKET, TIMEOUT, WINDOW, connect, disconnect
from labctl.remote.dial import Dial
from labctl.remote.hostkeys import HostKeys
from labctl.remote.shell import MARK, ShellSession
from labctl.remote.target import Target


class Connection:
    """A node over ssh, with a root shell. It is a `Shell` as `labctl.remote.exchange` wants one.

    Parameters:
        target: where it is and who logs in.
        hostkeys: where its host key is recorded.
        sudo_password: for a login user who needs one; None: sudo must not ask.
        patience: seconds to go on trying while nothing answers, as right after a boot.
        timeout: seconds that one attempt to connect may take in each of its steps.
        dial: a connection that is being made already, for the first attempt.

    `root` is the root shell, opened when it is first used and kept open.
    """

    def __init__(
        self,
        target: Target,
        hostkeys: HostKeys,
        *,
        sudo_password: str | None = None,
        patience: float = 0.0,
        timeout: float = TIMEOUT,
        dial: Dial | None = None,
    ) -> None:
        self.target = target
        self._hostkeys = hostkeys
        self._password = sudo_password
        self._patience = patience
        self._timeout = timeout
        self._dial = dial
        self._connection: Any = None
        self._ended = threading.Event()
        self._sudo: str | None = None
        self.root = ShellSession(self, root=True)

    @property
    def name(self) -> str:
        return self.target.name

    def __enter__(self) -> Connection:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the connection; a later call opens another."""
        self.root.close()
        if self._dial is not None:
            self._dial.close()
        self._disconnect()
        self._connection = None

    def end(self) -> None:
        """End the connection for good, from any thread.

        What is under way breaks off; what connects then, or would later, raises `Interrupted`.
        """
        # The rest is closed by the thread that works with it, which would stumble over it now.
        self._ended.set()
        self._disconnect()

    def _disconnect(self) -> None:
        connection = self._connection
        if connection is not None:
            with contextlib.suppress(Exception):
                disconnect(connection)

    def run(self, script: str) -> bytes:
        """Run a script as root and return its stdout.

        All scripts of a connection go to one root shell, for sudo takes longer than most of them.

        Raises:
            SudoRefused: the login user may not become root, or the password is wrong.
            RemoteError: the node could not be reached, or broke off.
        """
        return self.root.attempt(script)[1]

    def call(self, command: str, stdin: bytes = b"") -> tuple[int, bytes, bytes]:
        """Run one command line as the login user.

        Parameters:
            command: a command line for the login user's shell.
            stdin: what it reads.

        Returns:
            Exit code, stdout, stderr. The exit code is -1 where the node broke off without one.

        Raises:
            RemoteError: the node could not be reached, or broke off.
        """
        with self.channel(command) as channel:
            out: list[bytes] = []
            err: list[bytes] = []
            feed(channel, stdin, out.append, err.append)
            while receive(channel, out.append, err.append):
                pass
            status = channel.recv_exit_status()
        return status, b"".join(out), b"".join(err)

    @contextlib.contextmanager
    def channel(
        self, command: str, *, terminal: tuple[str, int, int] | None = None
    ) -> Iterator[Any]:
        """Open a channel, start a command on it, and close it in the end.

        Parameters:
            command: a command line for the login user's shell.
            terminal: (TERM, columns, lines) to ask for a terminal; None: none.

        Yields:
            The paramiko channel. An OSError in the block is taken for the end of the connection.

        Raises:
            RemoteError: the node could not be reached, or broke off.
        """
        connection = self._open()
        try:
            channel = connection.transport.open_session(WINDOW, PACKET, timeout=TIMEOUT)
        except BROKEN:
            # The connection died while it was idle, as when the node was rebooted: one more try.
            self.close()
            channel = self._open().transport.open_session(WINDOW, PACKET, timeout=TIMEOUT)
        try:
            if terminal is not None:
                channel.get_pty(*terminal)
            channel.exec_command(command.encode("utf-8", "surrogateescape"))
            yield channel
        except BROKEN as error:
            raise self.broke(error) from error
        finally:
            with contextlib.suppress(Exception):
                channel.close()

    def sftp(self) -> Any:
        """Return a new SFTP client over this connection."""
        return self._open().transport.open_sftp_client()

    @property
    def transport(self) -> Any:
        """The open transport."""
        return self._open().transport

    # -- becoming root

    def script(self, script: str, *arguments: str, root: bool = True) -> tuple[str, bytes]:
        """Return how a script is run over `channel` or `call`.

        Parameters:
            script: POSIX sh.
            arguments: its $1, $2 and so on; they need no quoting.
            root: run it as root instead of as the login user.

        Returns:
            The command line, and what its stdin must begin with: the password, if sudo asks. To
            stderr root's script writes `MARK` before all else; see `own_words`.
        """
        if root:
            script = f"printf '\\036\\n' >&2\n{script}"
        shell = shlex.join(["sh", "-c", script, "labctl", *arguments])
        if not root or self.target.user == "root":
            return shell, b""
        if self._password is None:
            return f"sudo -n {shell}", b""
        if self._sudo is None:
            # A password that sudo does not ask for would be read by the script instead, and the
            # lines of a script would be tried as passwords after a wrong one. So both are found
            # out before a script is sent.
            free, _, _ = self.call("sudo -n true")
            if free != 0:
                right, _, words = self.call(
                    "sudo -k -S -p '' true", self._password.encode() + b"\n"
                )
                if right != 0:
                    raise self.sudo_refused(words)
            self._sudo = "free" if free == 0 else "password"
        if self._sudo == "free":
            return f"sudo -n {shell}", b""
        return f"sudo -k -S -p '' {shell}", self._password.encode() + b"\n"

    def broke(self, error: BaseException) -> ProtocolError:
        """Return the error for a connection that ended in the middle; end what is left of it."""
        self.close()
        return ProtocolError(
            f"the connection broke: {error or type(error).__name__}",
            node=self.name,
            hint="look whether the node is still up, then run the same command again",
        )

    def own_words(self, err: bytes, status: int) -> bytes:
        """Return what a script of root wrote to stderr, without what sudo said before it.

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
        """Return the error for what sudo wrote to stderr instead of running anything."""
        text = err.decode("utf-8", "replace").strip()
        hint = "give the login user the right to run sudo"
        if "password is required" in text or "a terminal is required" in text:
            hint = "run it with --ask-sudo-password, or let the user run sudo without a password"
        elif "incorrect password" in text or "try again" in text:
            hint = "the sudo password is wrong"
        return SudoRefused(
            f"{self.target.user or 'the login user'} cannot become root",
            node=self.name,
            hint=hint,
            details=text,
        )

    # -- connecting

    def _open(self) -> Any:
        if self._connection is not None and self._connection.is_connected:
            return self._connection
        self._disconnect()  # what is left of one that broke, such as that to the jump host
        deadline = time.monotonic() + self._patience
        pause = 0.2
        while True:
            self._go_on()
            try:
                self._connection = connect(self.target, self._hostkeys, self._timeout, self._dial)
                self._go_on()
                return self._connection
            except ConnectFailed:
                if time.monotonic() + pause > deadline:
                    raise
            self._ended.wait(pause)
            pause = min(pause * 1.5, 2.0)

    def _go_on(self) -> None:
        if self._ended.is_set():
            self.close()
            raise Interrupted("interrupted", node=self.name)
