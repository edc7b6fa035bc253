"""A shell on a node that stays open, for many commands one after another.

Provisioning makes some twenty exchanges with a node, and its checks ask a hundred small things.
Starting sudo, or even a channel, for each costs more than the question; here a question costs one
round trip and one fork.
"""

from __future__ import annotations

import contextlib
import secrets
import shlex
from typing import TYPE_CHECKING, Any

from labctl.errors import LabctlError, ProtocolError
from labctl.remote.channel import offer_all
from labctl.remote.connect import BROKEN, WINDOW

if TYPE_CHECKING:
    from labctl.remote.connection import Connection

LOOP = 'while IFS= read -r line; do eval "$line"; done'
"""`read` takes a byte at a time from a pipe and so not one more than its line, whichever shell it
is; what follows the line is left for the line's own commands."""

MARK = b"\x1e\n"
"""What a script of root writes to stderr before all else. What stands in front of it sudo has said,
such as that it cannot resolve the host's name."""

_INLINE = 2048
"""Longest command, in bytes, that is sent within the line, and so byte by byte. A longer one
follows its line and costs a fork of head, which reads it in blocks."""


class ShellSession:
    """Commands of the login user or of root, over one channel that opens when it is first used.

    Parameters:
        remote: the node.
        root: run them as root.
    """

    def __init__(self, remote: Connection, *, root: bool = False) -> None:
        self._remote = remote
        self._root = root
        self._token = secrets.token_hex(16)
        self._opening: Any = None
        self._channel: Any = None
        self._out = bytearray()
        self._err = bytearray()
        self._group = b""
        self._begun = not root

    def close(self) -> None:
        """End the shell; a later command opens another."""
        if self._opening is not None:
            with contextlib.suppress(Exception):
                self._opening.__exit__(None, None, None)
            self._opening = self._channel = None
        self._group = b""

    def open(self) -> None:
        """Open the shell anew; the first command would do it otherwise.

        Raises:
            SudoRefused: the password is wrong. Where sudo wants one and there is none, the first
                command tells.
            RemoteError: the node could not be reached, or broke off.
        """
        self.close()
        command, opening = ("exec sh -c " + shlex.quote(LOOP), b"")
        if self._root:
            command, opening = self._remote.script(LOOP)
        shell = self._remote.channel(command)
        self._channel = shell.__enter__()
        self._opening = shell
        self._begun = not self._root
        self._reset()
        if opening:
            offer_all(self._channel, opening)

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
                node=self._remote.name,
                hint="look whether it is still up, then run the same command again",
            )
        return code, out, err

    def run_as_root(self, command: str) -> tuple[int, bytes, bytes]:
        """As `run`, in the root shell of the same connection."""
        return self._remote.root.run(command)

    def attempt(self, command: str) -> tuple[int | None, bytes, bytes]:
        """As `run`, but where the shell ends before the command does, the exit code is None.

        What it had written until then comes back with it.
        """
        message = self._message(command.encode("utf-8", "surrogateescape"))
        try:
            self._send(message)
            code = self._receive()
        except BROKEN as error:
            self.close()
            raise self._remote.broke(error) from error
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
                raise self._remote.sudo_refused(err)
        return code, out, err

    def _message(self, command: bytes) -> bytes:
        """Return the line that runs `command` and marks the end of both of its streams."""
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
            # sshd makes the shell the leader of a group, in which everything is that it starts.
            b" printf '\\n%s %s %s\\n' " + token + b" $? $$;"
            b" printf '\\n%s\\n' " + token + b" >&2\n" + rest
        )

    def _abandon(self) -> None:
        """End the command that is under way, whose answer nobody waits for, and its shell.

        A command of root is left to itself, for the login user may not end it; so is the first
        command of a shell.
        """
        group = self._group.decode()
        self.close()
        if group and not self._root:
            with contextlib.suppress(LabctlError, *BROKEN):
                self._remote.call(f"kill -s TERM -- -{group}")

    def _send(self, message: bytes) -> None:
        """Send to the open shell; to a new one where it ended while it was idle."""
        if self._channel is not None and not self._channel.exit_status_ready():
            self._reset()
            with contextlib.suppress(*BROKEN):
                self._channel.sendall(message)
                return
        self.open()
        offer_all(self._channel, message)

    def _reset(self) -> None:
        self._out, self._err = bytearray(), bytearray()

    def _receive(self) -> int | None:
        """Take both streams up to their marks; leave what stands before the marks in the buffers.

        Returns:
            The exit code; None where the shell ended first.
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
            if not self._more_out():
                return None
        mark = f"\n{self._token}\n".encode()
        searched = 0
        while True:
            found = self._err.find(mark, searched)
            if found >= 0:
                del self._err[found:]
                return int(code)
            searched = max(0, len(self._err) - len(mark))
            data = self._channel.recv_stderr(WINDOW)
            if not data:
                return None
            self._err += data

    def _more_out(self) -> bool:
        """Wait for more of stdout; return False at its end."""
        # stderr is emptied meanwhile, or a command with much to say there waits for ever.
        while True:
            self._channel.settimeout(0.1)
            data = None
            with contextlib.suppress(TimeoutError):
                data = self._channel.recv(WINDOW)
            self._channel.settimeout(None)
            while self._channel.recv_stderr_ready():
                self._err += self._channel.recv_stderr(WINDOW)
            if data:
                self._out += data
                return True
            if data is not None:
                while data := self._channel.recv_stderr(WINDOW):
                    self._err += data
                return False
