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


class LabctlBackend(base.BaseBackend):  # type: ignore[misc]
    """A node that labctl is connected with."""

    NAME = "labctl"

    def __init__(self, name: str, *args: Any, **kwargs: Any) -> None:
        self._session = _sessions[name]
        super().__init__(name, *args, **kwargs)

    def run(self, command: str, *args: str, **kwargs: Any) -> base.CommandResult:
        """Run a command; `args` are quoted into it."""
        line = self.get_command(command, *args)
        code, out, err = self._session.run(line)
        return self.result(code, self.encode(line), out, err)
