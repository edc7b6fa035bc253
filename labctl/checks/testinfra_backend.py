"""A testinfra backend over labctl's own connection. Only this module imports testinfra.

testinfra's ssh backend starts an ssh process for every property that a check reads. This one uses a
shell that is already open. It also records the commands of a test for its failure message.
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
from labctl.errors import NodeSilent
from labctl.remote.connection import Connection
from labctl.remote.exchange import legible
from labctl.remote.hostkeys import HostKeys
from labctl.remote.passwords import Passwords
from labctl.remote.shell import ShellSession
from labctl.remote.target import Target

__all__ = ["Host", "LabctlBackend", "Sessions", "Transcript"]

_KEPT = 60
"""How many of a test's last commands are kept. The cause is seldom further back."""

LONGEST = 900.0
"""Seconds that one command of a check may take; it may download an image."""

_TAIL = 2000
"""How many characters are kept from the end of an output."""


class Transcript:
    """The commands of the running test."""

    def __init__(self) -> None:
        self.kept: list[CommandRun] = []
        self.phase = "setup"

    def clear(self) -> None:
        """Start the next test."""
        self.kept = []

    def add(self, ran: CommandRun) -> None:
        """Record a command."""
        self.kept = [*self.kept, ran][-_KEPT:]


class Sessions(Mapping[str, ShellSession]):
    """Shells on the nodes of a lab. The first use of a shell opens it.

    Parameters:
        targets: how to reach the nodes.
        hostkeys: the recorded host keys.
        passwords: of the login users.
    """

    def __init__(self, targets: Iterable[Target], hostkeys: HostKeys, passwords: Passwords) -> None:
        self.transcript = Transcript()
        self.failures: dict[str, NodeSilent] = {}
        """Nodes that did not answer in time, which no further check asks."""
        self._remotes = {
            target.name: Connection(target, hostkeys, passwords=passwords) for target in targets
        }
        self._shells = {name: ShellSession(remote) for name, remote in self._remotes.items()}
        for session in (
            *self._shells.values(),
            *(remote.root for remote in self._remotes.values()),
        ):
            session.longest = min(session.longest, LONGEST)
        backend.BACKENDS["labctl"] = f"{__name__}.LabctlBackend"
        _current.sessions = self

    def __getitem__(self, node: str) -> ShellSession:
        return self._shells[node]

    def __iter__(self) -> Iterator[str]:
        return iter(self._shells)

    def __len__(self) -> int:
        return len(self._shells)

    def hosts(self, nodes: Iterable[str]) -> Mapping[str, Any]:
        """Return testinfra's Host for each node. The first use of a host connects to it."""
        return {node: testinfra.get_host(f"labctl://{node}") for node in nodes}

    def close(self) -> None:
        """Close all shells and connections."""
        for shell in self._shells.values():
            with contextlib.suppress(Exception):
                shell.close()
        for remote in self._remotes.values():
            remote.close()


class _Current:
    """The sessions of this process, because testinfra creates backends from a name only."""

    sessions: Sessions


_current = _Current()


class _AsRoot(str):
    """A command line to run as root. testinfra passes it on unchanged."""

    __slots__ = ()


def _end(output: bytes) -> str:
    return legible(output.decode("utf-8", "surrogateescape"))[-_TAIL:]


class LabctlBackend(base.BaseBackend):  # type: ignore[misc]
    """The backend for one node."""

    NAME = "labctl"

    def __init__(self, name: str, *args: Any, **kwargs: Any) -> None:
        self._node = name
        self._session = _current.sessions[name]
        self._transcript = _current.sessions.transcript
        super().__init__(name, *args, **kwargs)

    def __repr__(self) -> str:
        return self._node  # messages of failed asserts contain it, within a CommandResult

    def get_sudo_command(self, command: str, sudo_user: str | None) -> str:
        """Mark a command for root. For other users, use testinfra's sudo command."""
        if sudo_user is None:
            return _AsRoot(command)
        return str(super().get_sudo_command(command, sudo_user))

    def run(self, command: str, *args: str, **kwargs: Any) -> base.CommandResult:
        """Run a command with quoted `args`.

        Inside ``with host.sudo():`` it runs as root, with the sudo password that labctl has.
        """
        line = self.get_command(command, *args)
        root = isinstance(line, _AsRoot)
        failures = _current.sessions.failures
        if self._node in failures:  # each of a hundred checks would wait as long
            raise failures[self._node]
        start = time.monotonic()
        run = self._session.run_as_root if root else self._session.run
        code: int | None = None
        out = err = b""
        try:
            code, out, err = run(line)
        except NodeSilent as error:
            failures[self._node] = error
            raise
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
