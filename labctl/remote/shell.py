"""A shell on a node that stays open for many commands, one after another.

Provisioning makes some twenty exchanges with a node, and its checks ask a hundred small questions.
Starting sudo, or even a channel, costs more than such a question. Here a question costs one round
trip and one program.

A command may leave processes behind that still write to its output. To keep that out of the output
of the next command, background.sh finds such processes, and the next command gets another shell.
"""

from __future__ import annotations

import contextlib
import secrets
import shlex
import time
from contextlib import AbstractContextManager
from typing import Any, Protocol

from labctl.errors import LabctlError, ProtocolError, RemoteError
from labctl.remote.channel import Kept, Streams
from labctl.remote.connect import BROKEN
from labctl.remote.exchange import BACKGROUND
from labctl.storage import read_script

LONGEST = 3600.0
"""Seconds that a command may take: an installation over a slow line takes a while."""

LOOP = BACKGROUND + read_script(__file__, "shell.sh")
"""Reads and runs one line after another. `read` takes single bytes from a pipe in every shell, so
what follows the line is left for the line's own commands."""

_INLINE = 2048
"""Longest command, in bytes, that is sent within the line, and so read byte by byte. A longer one
follows its line and costs a fork of head, which reads it in blocks."""

_LEFT = 3
"""How many shells with processes that were left behind stay open, so that these can go on writing.
sshd allows ten channels by default."""


class ShellHost(Protocol):
    """The part of a connection that a shell uses; `Connection` implements it."""

    @property
    def name(self) -> str: ...

    @property
    def root(self) -> ShellSession: ...

    def channel(self, command: str) -> AbstractContextManager[Any]: ...

    def call_script(self, script: str, *arguments: str) -> tuple[int, bytes, bytes]: ...

    def script(self, script: str, *, root: bool) -> tuple[str, bytes]: ...

    def broke(self, error: BaseException) -> RemoteError: ...

    def require_begun(self, streams: Streams, *, root: bool) -> None: ...

    def require_open(self, channel: Any) -> None: ...


class ShellSession:
    """Runs commands as the login user or as root, over one channel that opens on first use.

    Parameters:
        host: the connection to the node.
        root: run them as root.
    """

    def __init__(self, host: ShellHost, *, root: bool = False) -> None:
        self.longest = LONGEST
        """Seconds that a command may take."""
        self.noise = b""
        """What the login shell printed by itself, before its first command."""
        self._host = host
        self._root = root
        self._token = secrets.token_hex(16)
        self._opening: Any = None
        self._channel: Any = None
        self._streams: Streams | None = None
        self._left: list[Any] = []
        self._out = Kept()
        self._err = Kept()
        self._group = ""

    def close(self) -> None:
        """End the shell; a later command opens another."""
        for opening in (*self._left, self._opening):
            _close(opening)
        self._left.clear()
        self._opening = self._channel = self._streams = None
        self._group = ""

    def _open(self) -> Streams:
        """Open a new shell.

        Raises:
            SudoRefused: the password is wrong. If sudo needs one and there is none, the first
                command raises it.
            RemoteError: the node could not be reached, or broke off.
        """
        _close(self._opening)
        command, opening = self._host.script(LOOP, root=self._root)
        shell = self._host.channel(command)
        self._channel = shell.__enter__()
        self._opening = shell
        self._out, self._err = Kept(), Kept()
        self._streams = Streams(self._channel, self._take, self._take_error, marked=True)
        self._streams.deadline = time.monotonic() + self.longest
        self._streams.send(opening)
        return self._streams

    def _take(self, data: bytes) -> None:
        self._out.take(data)

    def _take_error(self, data: bytes) -> None:
        self._err.take(data)

    def run(self, command: str) -> tuple[int, bytes, bytes]:
        """Run a command line in a POSIX sh of its own, with /dev/null as its stdin.

        Returns:
            Exit code, stdout, stderr. The code of a command that a signal ended is 128 and the
            signal's number.

        Raises:
            SudoRefused: the login user may not become root, or the password is wrong.
            RemoteError: the node could not be reached, broke off, took too long, or answered too
                much.
            ValueError: the command contains a NUL.
        """
        code, out, err = self.attempt(command)
        if code is None:
            raise ProtocolError(
                "the node closed the connection",
                node=self._host.name,
                hint="check that the node runs, then run the same command again",
            )
        return code, out, err

    def run_as_root(self, command: str) -> tuple[int, bytes, bytes]:
        """As `run`, in the root shell of the same connection."""
        return self._host.root.run(command)

    def attempt(self, command: str) -> tuple[int | None, bytes, bytes]:
        """As `run`, but if the shell ends before the command does, the exit code is None.

        The output up to then is returned with it.
        """
        if "\0" in command:
            raise ValueError("a command cannot contain a NUL")
        message = self._message(command.encode("utf-8", "surrogateescape"))
        try:
            streams = self._send(message)
            code = self._receive(streams)
            if code is None:
                self._host.require_open(self._channel)
        except BROKEN as error:
            self.close()
            raise self._host.broke(error) from error
        except KeyboardInterrupt:
            self._abandon()
            raise
        out, err = bytes(self._out), bytes(self._err)
        if streams.begun:  # otherwise it is the reason why it did not begin
            self.noise = self.noise or b"\n".join(streams.before).strip()
        if code is None:
            self.close()
            self._host.require_begun(streams, root=self._root)
        return code, out, err

    def _message(self, command: bytes) -> bytes:
        """Return the line that runs `command` and marks the end of both its streams."""
        if len(command) <= _INLINE and b"\n" not in command:
            text = command.decode("utf-8", "surrogateescape")
            what = shlex.quote(text).encode("utf-8", "surrogateescape") + b" </dev/null"
            rest = b""
        else:
            # It may be longer than an argument can be. The words of eval are expanded before its
            # stdin is turned to /dev/null.
            what = b"'eval \"$(head -c %d)\" </dev/null'" % len(command)
            rest = command
        token = self._token.encode()
        return (
            # exec in a subshell, because dash would write "Terminated" to what 2 is redirected to.
            b"labctl_begin; ( exec sh -c " + what + b" 2>&3 3>&- );"
            b" labctl_end $? " + token + b"\n" + rest
        )

    def _abandon(self) -> None:
        """End the running command and its shell.

        Two commands run on: one of root, which the login user may not end, and the first of a
        shell, whose process group is not known yet.
        """
        group = self._group
        self.close()
        if group and not self._root:
            with contextlib.suppress(LabctlError, *BROKEN):
                self._host.call_script('kill -s TERM -- "-$1"', group)

    def _send(self, message: bytes) -> Streams:
        """Send to the open shell, or to a new one if that ended while it was idle."""
        streams = self._streams
        if streams is not None and not self._channel.exit_status_ready():
            self._out.clear()
            self._err.clear()
            streams.deadline = time.monotonic() + self.longest
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

        Raises:
            ProtocolError: the mark is malformed.
        """
        mark = f"\n{self._token} ".encode()
        searched = 0
        while True:
            found = self._out.find(mark, searched)
            end = self._out.find(b"\n", found + len(mark)) if found >= 0 else -1
            if end >= 0:
                code, left, self._group = self._parse(bytes(self._out[found + len(mark) : end]))
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
                break
            searched = max(0, len(self._err) - len(mark))
            if not streams.receive_error():
                return None
        if left:
            self._leave()
        return code

    def _parse(self, mark: bytes) -> tuple[int, bool, str]:
        """Return exit code, whether processes are left, and the process group."""
        fields = mark.split(b" ")
        if len(fields) != 3 or not all(field.isdigit() and len(field) < 10 for field in fields):
            self.close()
            raise ProtocolError("the node sent an unexpected answer", node=self._host.name)
        return int(fields[0]), fields[1] != b"0", fields[2].decode()

    def _leave(self) -> None:
        """Let the next command have another shell, because this one's output is still in use."""
        self._left.append(self._opening)
        self._opening = self._channel = self._streams = None
        if len(self._left) > _LEFT:
            _close(self._left.pop(0))


def _close(opening: Any) -> None:
    if opening is not None:
        with contextlib.suppress(Exception):
            opening.__exit__(None, None, None)
