"""testinfra over labctl's own connection: the only module that imports testinfra.

testinfra's ssh backend starts an ssh process for every property that a check reads; this one asks
over a shell that is open already. It keeps what was run for a test, so that a failure can show it.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import testinfra
from testinfra import backend
from testinfra.backend import base
from testinfra.host import Host

from labctl.checks.report import CommandRun
from labctl.remote.connection import Connection
from labctl.remote.exchange import legible
from labctl.remote.hostkeys import HostKeys
from labctl.remote.shell import ShellSession
from labctl.remote.target import Target

__all__ = ["Host", "LabctlBackend", "Sessions", "Transcript"]

_KEPT = 60
"""Commands of a test that are kept, the last ones; the cause is seldom further back."""

_TAIL = 2000
"""Characters of an output that are kept, its end."""


class Transcript:
    """What was run for the test that is under way."""

    def __init__(self) -> None:
        self.kept: list[CommandRun] = []
        self.phase = "setup"

    def clear(self) -> None:
        """Begin with another test."""
        self.kept = []

    def add(self, ran: CommandRun) -> None:
        """Keep a command."""
        self.kept = [*self.kept, ran][-_KEPT:]


class Sessions(Mapping[str, ShellSession]):
    """Shells on the nodes of a lab, each opened when it is first used.

    Parameters:
        targets: how the nodes are reached.
        hostkeys: where host keys are recorded.
        sudo_password: for login users who need one.
    """

    def __init__(
        self, targets: Iterable[Target], hostkeys: HostKeys, sudo_password: str | None
    ) -> None:
        self.transcript = Transcript()
        self._remotes = {
            target.name: Connection(target, hostkeys, sudo_password=sudo_password)
            for target in targets
        }
        self._shells = {name: ShellSession(remote) for name, remote in self._remotes.items()}
        backend.BACKENDS["labctl"] = f"{__name__}.LabctlBackend"
        _current.sessions = self

    def __getitem__(self, node: str) -> ShellSession:
        return self._shells[node]

    def __iter__(self) -> Iterator[str]:
        return iter(self._shells)

    def __len__(self) -> int:
        return len(self._shells)

    def hosts(self, nodes: Iterable[str]) -> Mapping[str, Any]:
        """Return testinfra's Host for each of `nodes`; none is connected with before it is used."""
        return {node: testinfra.get_host(f"labctl://{node}") for node in nodes}

    def close(self) -> None:
        """End all shells and connections."""
        for shell in self._shells.values():
            with contextlib.suppress(Exception):
                shell.close()
        for remote in self._remotes.values():
            remote.close()


class _Current:
    """The sessions of this process, which testinfra's registry of backends cannot be handed."""

    sessions: Sessions


_current = _Current()


class _AsRoot(str):
    """A command line that is to be run as root; testinfra hands it on as it is."""

    __slots__ = ()


def _end(output: bytes) -> str:
    return legible(output.decode("utf-8", "surrogateescape"))[-_TAIL:]


class LabctlBackend(base.BaseBackend):  # type: ignore[misc]
    """A node that labctl is connected with."""

    NAME = "labctl"

    def __init__(self, name: str, *args: Any, **kwargs: Any) -> None:
        self._node = name
        self._session = _current.sessions[name]
        self._transcript = _current.sessions.transcript
        super().__init__(name, *args, **kwargs)

    def __repr__(self) -> str:
        return self._node  # as part of a CommandResult it stands in the message of a failed assert

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
        root = isinstance(line, _AsRoot)
        start = time.monotonic()
        run = self._session.run_as_root if root else self._session.run
        code: int | None = None
        out = err = b""
        try:
            code, out, err = run(line)
        finally:
            seconds = time.monotonic() - start
            self._transcript.add(
                CommandRun(
                    self._node,
                    self._transcript.phase,
                    str(line),
                    root,
                    code,
                    _end(out),
                    _end(err),
                    seconds,
                )
            )
        return self.result(code, self.encode(line), out, err)
