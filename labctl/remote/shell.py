"""A shell on a node that stays open for many commands, one after another.

Provisioning makes some twenty exchanges with a node, and its checks ask a hundred small questions.
Starting sudo, or even a channel, costs more than such a question. Here a question costs one round
trip and one fork.
"""

from __future__ import annotations

import contextlib
import secrets
import shlex
from contextlib import AbstractContextManager
from typing import Any, Protocol

from labctl.errors import LabctlError, ProtocolError, RemoteError
from labctl.remote.channel import Streams
from labctl.remote.connect import BROKEN

LOOP = 'while IFS= read -r line; do eval "$line"; done'
"""Reads and runs one line after another. `read` takes single bytes from a pipe in every shell, so
what follows the line is left for the line's own commands."""

MARK = b"\x1e\n"
"""What a script of root writes to stderr before anything else. sudo wrote what stands in front of
it, such as that it cannot resolve the host's name."""

_INLINE = 2048
"""Longest command, in bytes, that is sent within the line, and so read byte by byte. A longer one
follows its line and costs a fork of head, which reads it in blocks."""


class ShellHost(Protocol):
    """What a shell needs of the connection to its node; `Connection` has it."""

    @property
    def name(self) -> str: ...

    @property
    def root(self) -> ShellSession: ...

    def channel(self, command: str) -> AbstractContextManager[Any]: ...

    def call(self, command: str) -> tuple[int, bytes, bytes]: ...

    def script(self, script: str) -> tuple[str, bytes]: ...

    def broke(self, error: BaseException) -> RemoteError: ...

    def sudo_refused(self, err: bytes) -> RemoteError: ...


class ShellSession:
    """Runs commands as the login user or as root, over one channel that opens on first use.

    Parameters:
        host: the connection to the node.
        root: run them as root.
    """

    def __init__(self, host: ShellHost, *, root: bool = False) -> None:
        self._host = host
        self._root = root
        self._token = secrets.token_hex(16)
        self._opening: Any = None
        self._channel: Any = None
        self._streams: Streams | None = None
        self._out = bytearray()
        self._err = bytearray()
        self._group = b""
        self._begun = not root

    def close(self) -> None:
        """End the shell; a later command opens another."""
        if self._opening is not None:
            with contextlib.suppress(Exception):
                self._opening.__exit__(None, None, None)
            self._opening = self._channel = self._streams = None
        self._group = b""

    def _open(self) -> Streams:
        """Open a new shell, in place of one that is open.

        Raises:
            SudoRefused: the password is wrong. If sudo needs one and there is none, the first
                command raises it.
            RemoteError: the node could not be reached, or broke off.
        """
        self.close()
        command, opening = ("exec sh -c " + shlex.quote(LOOP), b"")
        if self._root:
            command, opening = self._host.script(LOOP)
        shell = self._host.channel(command)
        self._channel = shell.__enter__()
        self._opening = shell
        self._begun = not self._root
        self._out.clear()
        self._err.clear()
        self._streams = Streams(self._channel, self._out.extend, self._err.extend)
        self._streams.send(opening)
        return self._streams

    def run(self, command: str) -> tuple[int, bytes, bytes]:
        """Run a command line in a subshell, with /dev/null as its stdin.

        Returns:
            Exit code, stdout, stderr.

        Raises:
            SudoRefused: the login user may not become root, or the password is wrong.
            RemoteError: the node could not be reached, or broke off.
        """
        code, out, err = self.attempt(command)
        if code is None:
            raise ProtocolError(
                "the node broke off",
                node=self._host.name,
                hint="look whether it is still up, then run the same command again",
            )
        return code, out, err

    def run_as_root(self, command: str) -> tuple[int, bytes, bytes]:
        """As `run`, in the root shell of the same connection."""
        return self._host.root.run(command)

    def attempt(self, command: str) -> tuple[int | None, bytes, bytes]:
        """As `run`, but if the shell ends before the command does, the exit code is None.

        The output up to then is returned with it.
        """
        message = self._message(command.encode("utf-8", "surrogateescape"))
        try:
            code = self._receive(self._send(message))
        except BROKEN as error:
            self.close()
            raise self._host.broke(error) from error
        except KeyboardInterrupt:
            self._abandon()
            raise
        out, err = bytes(self._out), bytes(self._err)
        if not self._begun:
            _, mark, words = err.partition(MARK)
            self._begun = bool(mark)
            err = words if mark else err
        if code is None:
            self.close()
            if err and not out and not self._begun:
                raise self._host.sudo_refused(err)
        return code, out, err

    def _message(self, command: bytes) -> bytes:
        """Return the line that runs `command` and marks the end of both its streams."""
        if len(command) <= _INLINE and b"\n" not in command:
            text = command.decode("utf-8", "surrogateescape")
            what = shlex.quote(text).encode("utf-8", "surrogateescape")
            rest = b""
        else:
            # The words of eval are expanded before its stdin is turned to /dev/null.
            what = b'"$(head -c %d)"' % len(command)
            rest = command
        token = self._token.encode()
        return (
            b"( eval " + what + b" </dev/null );"
            # sshd makes the shell the leader of a group, which all that it starts belongs to.
            b" printf '\\n%s %s %s\\n' " + token + b" $? $$;"
            b" printf '\\n%s\\n' " + token + b" >&2\n" + rest
        )

    def _abandon(self) -> None:
        """End the running command and its shell.

        Two commands run on: one of root, which the login user may not end, and the first of a
        shell, whose process group is not known yet.
        """
        group = self._group.decode()
        self.close()
        if group and not self._root:
            with contextlib.suppress(LabctlError, *BROKEN):
                self._host.call(f"kill -s TERM -- -{group}")

    def _send(self, message: bytes) -> Streams:
        """Send to the open shell, or to a new one if that ended while it was idle."""
        streams = self._streams
        if streams is not None and not self._channel.exit_status_ready():
            self._out.clear()
            self._err.clear()
            with contextlib.suppress(*BROKEN):
                if streams.send(message):
                    return streams
        streams = self._open()
        streams.send(message)
        return streams

    def _receive(self, streams: Streams) -> int | None:
        """Read both streams up to their marks; leave in the buffers what precedes the marks.

        Returns:
            The exit code; None if the shell ended first.
        """
        mark = f"\n{self._token} ".encode()
        searched = 0
        while True:
            found = self._out.find(mark, searched)
            end = self._out.find(b"\n", found + len(mark)) if found >= 0 else -1
            if end >= 0:
                code, _, self._group = bytes(self._out[found + len(mark) : end]).partition(b" ")
                del self._out[found:]
                break
            searched = max(0, len(self._out) - len(mark)) if found < 0 else found
            if not streams.receive():
                while streams.receive_error():
                    pass
                return None
        mark = f"\n{self._token}\n".encode()
        searched = 0
        while True:
            found = self._err.find(mark, searched)
            if found >= 0:
                del self._err[found:]
                return int(code)
            searched = max(0, len(self._err) - len(mark))
            if not streams.receive_error():
                return None
