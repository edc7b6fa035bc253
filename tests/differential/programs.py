"""The two programs that are compared: both copy in a world of their own, with the same sshd."""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any, ClassVar, Protocol, cast

from labctl.errors import LabctlError
from labctl.lab.actions.copy import CopyOptions, copy
from labctl.lab.lab import Lab
from labctl.lab.workspace import Workspace
from labctl.remote.connection import Connection
from labctl.remote.target import Target
from labctl.remote.transfer.entry import STAGE
from tests.differential.trees import OUTSIDE, Folder, Snapshot, build, remove, snapshot
from tests.integration.sshd import Sshd

NODE = "docker-node1"


class Copy(Protocol):
    """What the programs need of a case."""

    @property
    def down(self) -> bool: ...
    @property
    def source(self) -> Folder: ...
    @property
    def before(self) -> Folder: ...
    @property
    def sources(self) -> tuple[str, ...]: ...
    @property
    def target(self) -> str: ...
    @property
    def follow(self) -> bool: ...


@dataclass(frozen=True)
class Outcome:
    """What a program left, whether it failed, and what it said."""

    left: Snapshot
    failed: bool
    words: str

    def without_times(self) -> Outcome:
        """Return it without the times of folders: after an error scp may leave any."""
        left = {path: what[:2] if what[0] == "folder" else what for path, what in self.left.items()}
        return replace(self, left=left)


class _Quiet:
    wants_sizes = False

    def expect(self, node: str, size: int) -> None: ...

    def moved(self, node: str, size: int) -> None: ...


class _OneConnection(Lab):
    """A lab whose connection outlives a copy, as scp's does here."""

    connections: ClassVar[dict[Target, Connection]] = {}

    def connection(self, name: str, **options: Any) -> Connection:
        found = self.connections.setdefault(self.target(name), super().connection(name, **options))
        return cast(Connection, contextlib.nullcontext(found))


class Programs:
    """Both programs.

    Parameters:
        folder: takes the worlds.
        sshd: the node; it must have the subsystem sftp.
        lab: the folder of a lab in which it is a node.
    """

    def __init__(self, folder: Path, sshd: Sshd, lab: Path) -> None:
        self._folder = folder
        self._sshd = sshd
        self._lab = _OneConnection.open(Workspace.find(str(lab)), {}, emit=lambda event: None)
        self._control = folder / "ssh"
        self._options = [
            *("-F", "none", "-o", f"ControlPath={self._control}", "-i", str(sshd.key)),
            *("-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null"),
            *("-o", "LogLevel=ERROR"),
        ]
        port = str(sshd.ports[0])
        self._master = subprocess.Popen(
            ["ssh", "-M", "-N", *self._options, "-p", port, "127.0.0.1"],
            stdin=subprocess.DEVNULL,
        )
        self._scp = ["scp", "-q", "-r", "-p", *self._options, "-P", port]

    def close(self) -> None:
        """End what is open."""
        self._master.terminate()
        self._master.wait(10)
        for connection in _OneConnection.connections.values():
            connection.close()
        _OneConnection.connections.clear()

    def scp(self, case: Copy) -> Outcome:
        """Copy with OpenSSH's scp."""
        with self._world("scp", case) as world:
            sources, target = _places(case, world, "127.0.0.1")
            done = subprocess.run(
                [*self._scp, "--", *sources, target],
                cwd=world,
                capture_output=True,
                stdin=subprocess.DEVNULL,
                check=False,
                timeout=60,
                umask=0,
            )
            words = done.stderr.decode("utf-8", "replace")
            return Outcome(_left(case, world), done.returncode != 0, words)

    def labctl(self, case: Copy) -> Outcome:
        """Copy as `labctl scp` does."""
        with self._world("labctl", case) as world, contextlib.chdir(world):
            sources, target = _places(case, world, NODE)
            failed, words = False, ""
            try:
                results = copy(
                    self._lab, [*sources, target], CopyOptions(follow=case.follow), _Quiet()
                )
            except LabctlError as error:
                failed, words = True, f"{error} {error.details}"
            else:
                for result in results:
                    skipped = result.value.skipped if result.value else ()
                    failed = failed or not result.ok or bool(skipped)
                    words += f"{result.error} {skipped}"
            left = _left(case, world)
            assert not [path for path in left if STAGE in path]
            return Outcome(left, failed, words)

    @contextlib.contextmanager
    def _world(self, name: str, case: Copy) -> Iterator[Path]:
        world = self._folder / name
        remove(world)
        world.mkdir()
        (world / OUTSIDE).write_text("outside")
        os.utime(world / OUTSIDE, (1_100_000_000, 1_100_000_000))
        build(str(world / "src"), case.source)
        build(str(world / "dst"), case.before)
        yield world
        remove(world)


def _left(case: Copy, world: Path) -> Snapshot:
    """Return what is in the target's folder, without times that are by chance.

    labctl stages in the folder that takes the copy, which changes its time.
    """
    left = snapshot(world / "dst")
    target = PurePosixPath(os.path.normpath(case.target))
    parents = [
        str(folder.relative_to("dst"))
        for folder in (target, target.parent)
        if folder.is_relative_to("dst")
    ]
    for path, before in case.before.walk():
        if isinstance(before, Folder) and left.get(path, ("",))[0] == "folder":
            mtime = before.mtime if path in parents else left[path][2]
            left[path] = ("folder", left[path][1], mtime)
    return left


def _places(case: Copy, world: Path, node: str) -> tuple[list[str], str]:
    sources = [f"src/{path}" for path in case.sources]
    if case.down:
        return [f"{node}:{world}/{path}" for path in sources], case.target
    return sources, f"{node}:{world}/{case.target}"
