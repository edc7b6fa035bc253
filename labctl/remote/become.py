"""How scripts run as root: whether sudo asks the login user for a password, and how it gets one."""

from __future__ import annotations

from collections.abc import Callable

from labctl.remote.passwords import Passwords
from labctl.remote.script import launch, not_begun
from labctl.remote.target import Target

Call = Callable[[str, bytes], tuple[int, bytes, bytes]]
"""Runs a command line with a stdin; returns exit code, stdout and stderr."""


class Become:
    """Command lines that run scripts as root on a node.

    Parameters:
        target: the node, and who logs in.
        passwords: of the login user.
        call: runs a command as the login user.
    """

    def __init__(self, target: Target, passwords: Passwords, call: Call) -> None:
        self._target = target
        self._password = passwords.sudo
        self._call = call
        self._asks: bool | None = None

    def script(self, script: str, *arguments: str) -> tuple[str, bytes]:
        """Return the command line of a script, and what must be written to stdin first.

        Parameters:
            script: POSIX sh.
            arguments: its $1, $2 and so on.

        Raises:
            SudoRefused: the password is wrong.
            RemoteError: the node could not be reached, or broke off.
        """
        shell, text = launch(script, arguments)
        if self._target.user == "root":
            return shell, text
        if self._password is None or not self._sudo_asks(self._password):
            return f"sudo -n {shell}", text
        return f"sudo -k -S -p '' {shell}", self._password.encode() + b"\n" + text

    def _sudo_asks(self, password: str) -> bool:
        """Return True if sudo asks for the password.

        The script would read a password that sudo doesn't ask for, and sudo would try the lines of
        a script after a wrong one. So both are found out before a script is sent.

        Raises:
            SudoRefused: the password is wrong.
        """
        if self._asks is None:
            free, _, _ = self._call("sudo -n true", b"")
            if free != 0:
                right, *before = self._call("sudo -k -S -p '' true", password.encode() + b"\n")
                if right != 0:
                    raise not_begun((before[0], before[1]), self._target, root=True)
            self._asks = free != 0
        return self._asks
