"""testinfra over labctl's own connection: the only module that imports testinfra.

testinfra's ssh backend starts an ssh process for every property that a check reads; this one asks
over a shell that is open already.
"""

from __future__ import annotations

from typing import Any

from testinfra import backend
from testinfra.backend import base

from labctl.remote.session import ShellSession

_sessions: dict[str, ShellSession] = {}


def register(node: str, session: ShellSession) -> None:
    """Let ``--hosts=labctl://NODE`` mean this session."""
    backend.BACKENDS["labctl"] = f"{__name__}.LabctlBackend"
    _sessions[node] = session


class _AsRoot(str):
    """A command line that is to be run as root; testinfra hands it on as it is."""

    __slots__ = ()


class LabctlBackend(base.BaseBackend):  # type: ignore[misc]
    """A node that labctl is connected with."""

    NAME = "labctl"

    def __init__(self, name: str, *args: Any, **kwargs: Any) -> None:
        self._session = _sessions[name]
        super().__init__(name, *args, **kwargs)

    def get_sudo_command(self, command: str, sudo_user: str | None) -> str:
        """Mark a command for root; another user's goes through sudo as testinfra has it."""
        if sudo_user is None:
            return _AsRoot(command)
        return str(super().get_sudo_command(command, sudo_user))

    def run(self, command: str, *args: str, **kwargs: Any) -> base.CommandResult:
        """Run a command; `args` are quoted into it.

        Inside ``with host.sudo():`` it is run as root, with the password that labctl was given.
        """
        line = self.get_command(command, *args)
        if isinstance(line, _AsRoot):
            code, out, err = self._session.run_as_root(line)
        else:
            code, out, err = self._session.run(line)
        return self.result(code, self.encode(line), out, err)
