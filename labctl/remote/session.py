"""A shell of the login user that stays open, for many small commands one after another.

A check asks a dozen small things. Starting ssh or even a channel for each costs more than the
question; here a question costs one round trip and one fork.
"""

from __future__ import annotations

import secrets
import shlex
from typing import TYPE_CHECKING, Any

from labctl.errors import ProtocolError

if TYPE_CHECKING:
    from labctl.remote.ssh import Remote

_BLOCK = 65536


class ShellSession:
    """Commands of the login user, over one channel.

    Parameters:
        remote: the node.
    """

    def __init__(self, remote: Remote) -> None:
        self._remote = remote
        self._token = secrets.token_hex(16)
        self._opening: Any = None
        self._channel: Any = None
        self._out = b""
        self._err = b""

    def close(self) -> None:
        """End the shell."""
        if self._opening is not None:
            self._opening.__exit__(None, None, None)
            self._opening = self._channel = None

    def run(self, command: str) -> tuple[int, bytes, bytes]:
        """Run a command line in a subshell, with /dev/null as its stdin.

        Returns:
            Exit code, stdout, stderr.

        Raises:
            RemoteError: the node could not be reached, or broke off.
        """
        if self._channel is None:
            self._opening = self._remote.channel("exec sh")
            self._channel = self._opening.__enter__()
            self._out = self._err = b""
        quoted = shlex.quote(command)
        line = (
            f"( eval {quoted} ) </dev/null; printf '\\n%s %s\\n' {self._token} $?; "
            f"printf '\\n%s\\n' {self._token} >&2\n"
        )
        self._channel.sendall(line.encode("utf-8", "surrogateescape"))
        out, code = self._until_out(f"\n{self._token} ".encode())
        err = self._until_err(f"\n{self._token}\n".encode())
        return code, out, err

    def run_as_root(self, command: str) -> tuple[int, bytes, bytes]:
        """Run a command line as root, over a channel of its own.

        Returns:
            Exit code, stdout, stderr.

        Raises:
            SudoRefused: the login user may not become root, or the password is wrong.
            RemoteError: the node could not be reached, or broke off.
        """
        line, opening = self._remote.script('eval "$(cat)"')
        return self._remote.call(line, opening + command.encode("utf-8", "surrogateescape"))

    def _until_out(self, mark: bytes) -> tuple[bytes, int]:
        while True:
            body, found, rest = self._out.partition(mark)
            code, end, left = rest.partition(b"\n")
            if found and end:
                self._out = left
                return body, int(code)
            # stderr is emptied meanwhile, or a command with much to say there waits for ever.
            self._channel.settimeout(0.1)
            try:
                self._out += self._more(self._channel.recv)
            except TimeoutError:
                pass
            finally:
                self._channel.settimeout(None)
            while self._channel.recv_stderr_ready():
                self._err += self._more(self._channel.recv_stderr)

    def _until_err(self, mark: bytes) -> bytes:
        while True:
            body, found, rest = self._err.partition(mark)
            if found:
                self._err = rest
                return body
            self._err += self._more(self._channel.recv_stderr)

    def _more(self, receive: Any) -> bytes:
        data = receive(_BLOCK)
        if not data:
            raise ProtocolError(
                "the node broke off",
                node=self._remote.name,
                hint="look whether it is still up, then run the same command again",
            )
        return bytes(data)
