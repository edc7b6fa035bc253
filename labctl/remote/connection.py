"""A node over ssh: commands as the login user, scripts as root.

Commands go over channels of the connection's transport. Fabric's own `run` is not used because it
feeds stdin at about 100 bytes a second (a byte, then a pause of 10 ms), and here scripts come in on
stdin.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

from labctl.errors import ConnectFailed, Interrupted, LabctlError, RemoteError
from labctl.remote.become import Become
from labctl.remote.channel import Kept, Streams
from labctl.remote.connect import BROKEN, connect, disconnect
from labctl.remote.connect_errors import broken, slow
from labctl.remote.hostkeys import HostKeys
from labctl.remote.passwords import NO_PASSWORDS, Passwords
from labctl.remote.script import launch, not_begun
from labctl.remote.shell import ShellSession
from labctl.remote.target import CONNECT_TIMEOUT, Target

SILENCE = 300.0
"""Seconds that a command of labctl's own may take to print anything."""

_SETTLE = 0.5
"""Seconds until paramiko reports a broken connection after it has ended the channels."""


class Connection:
    """A connection to a node that opens when it is first used, with a root shell.

    It is a `Shell` as `labctl.remote.exchange` needs one.

    Parameters:
        target: where the node is and who logs in.
        hostkeys: where its host key is recorded.
        passwords: of the login user.
        patience: seconds to keep trying while nothing answers, as right after a boot.
        timeout: seconds for each step of one attempt to connect.

    `root` is the root shell, which opens when it is first used and stays open.
    """

    def __init__(
        self,
        target: Target,
        hostkeys: HostKeys,
        *,
        passwords: Passwords = NO_PASSWORDS,
        patience: float = 0.0,
        timeout: float = CONNECT_TIMEOUT,
    ) -> None:
        self.target = target
        self._hostkeys = hostkeys
        self._passwords = passwords
        self._patience = patience
        self._timeout = timeout
        self._fabric: Any = None
        self._ended = threading.Event()
        self._become = Become(target, passwords, self.call)
        self.root = ShellSession(self, root=True)

    @property
    def name(self) -> str:
        return self.target.name

    @property
    def noise(self) -> bytes:
        """What the login shell printed by itself before the first script of `run`."""
        return self.root.noise

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
        """Close the connection for good, from any thread. Whatever uses it raises `Interrupted`."""
        self._ended.set()
        self._disconnect()

    @contextlib.contextmanager
    def limited(self, seconds: float) -> Iterator[None]:
        """Give the node up for good if the block takes longer; raise `NodeSilent` then."""
        late = threading.Event()

        def give_up() -> None:
            late.set()
            self.end()

        timer = threading.Timer(seconds, give_up)
        timer.daemon = True
        timer.start()
        try:
            yield
        except LabctlError as error:
            if late.is_set():
                raise slow(self.name, seconds) from error
            raise
        finally:
            timer.cancel()

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
            Exit code, stdout, stderr. The exit code is -1 if a signal ended the command.

        Raises:
            RemoteError: the node could not be reached, broke off, was silent for too long, or
                answered too much.
        """
        return self._call(command, stdin, script=False, root=False)

    def call_script(
        self, script: str, *arguments: str, root: bool = False
    ) -> tuple[int, bytes, bytes]:
        """As `call`, with a POSIX sh script instead of a command line.

        It runs under any login shell, and what that prints before the script is not in the output.

        Raises:
            SudoRefused: the login user may not become root.
            RemoteError: as `call`, or the login shell does not run commands.
        """
        return self._call(*self.script(script, *arguments, root=root), script=True, root=root)

    def _call(
        self, command: str, stdin: bytes, *, script: bool, root: bool
    ) -> tuple[int, bytes, bytes]:
        out, err = Kept(), Kept()
        with self.channel(command) as channel:
            streams = Streams(channel, out.take, err.take, silence=SILENCE, marked=script)
            streams.send(stdin)
            status = self._finish(streams, channel)
        self.require_begun(streams, root=root)
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

        It may be silent, and print, as long as it likes.

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
        if root:
            command, opening = self.script(command)
        with self.channel(command) as channel:
            streams = Streams(channel, out, err, marked=root)
            streams.begin_by = time.monotonic() + SILENCE
            streams.send(opening)
            code = self._finish(streams, channel)
        self.require_begun(streams, root=root)
        return code if code >= 0 else 255

    def _finish(self, streams: Streams, channel: Any) -> int:
        """Read the rest; return the exit code, -1 if a signal ended the command.

        Raises:
            EOFError: the connection broke.
        """
        code = streams.finish()
        if code < 0:
            self.require_open(channel)
        return code

    def require_open(self, channel: Any) -> None:
        """Check that the connection did not end together with `channel`.

        Raises:
            EOFError: it did.
        """
        channel.transport.join(_SETTLE)
        if not channel.transport.is_active():
            raise EOFError("the node ended it")

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
            channel = self._start(command)
            yield channel
        except BROKEN as error:
            raise self.broke(error) from error
        finally:
            if channel is not None:
                with contextlib.suppress(Exception):
                    channel.close()

    def _start(self, command: str) -> Any:
        idle = self._fabric is not None
        try:
            return self.transport.execute(command, self._timeout)
        except TimeoutError:
            raise
        except BROKEN:
            if not idle:
                raise
            # The connection died while it was idle, as when the node rebooted: try once more.
            self.close()
            return self.transport.execute(command, self._timeout)

    @property
    def is_open(self) -> bool:
        """Whether there is a connection now; does not open one."""
        return self._fabric is not None and bool(self._fabric.is_connected)

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
            The command line, and what must be written to stdin first: the password if sudo asks,
            and the script. It prints `labctl.remote.channel.MARK` before anything else, which
            `Streams` looks for if it is told that the command is ``marked``.
        """
        if root:
            return self._become.script(script, *arguments)
        return launch(script, arguments)

    def require_begun(self, streams: Streams, *, root: bool) -> None:
        """Check, once a script has ended, that it had begun.

        Raises:
            SudoRefused: sudo did not run it.
            RemoteError: the login shell did not run it.
        """
        if not streams.begun:
            raise not_begun(streams.before, self.target, root=root)

    def broke(self, error: BaseException) -> RemoteError:
        """Close the connection; return the error that reports that it broke, and why."""
        cause = getattr(self._fabric and self._fabric.transport, "cause", "")
        self.close()
        return broken(error, cause, self.name)

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
                return self._attempt()
            except RemoteError as error:
                self._stop_if_ended()
                if not isinstance(error, ConnectFailed) or time.monotonic() + pause > deadline:
                    raise
            self._ended.wait(pause)
            pause = min(pause * 1.5, 2.0)

    def _attempt(self) -> Any:
        try:
            login = self._passwords.login
            connect(self.target, self._hostkeys, self._timeout, login, self._began)
            self._stop_if_ended()
        except BaseException:
            self._fabric = None
            raise
        return self._fabric

    def _began(self, fabric: Any) -> None:
        self._fabric = fabric
        self._stop_if_ended()

    def _stop_if_ended(self) -> None:
        if self._ended.is_set():
            self.close()
            raise Interrupted("interrupted", node=self.name)
