"""Built artefacts, each in a folder named by the digest of what it was made from.

A stage is built in a temporary folder that is renamed into place when it is complete, so an
interrupted build is never taken for a finished one. Building takes an exclusive lock; a running
world keeps a shared lock on each folder that it uses, and what is locked is not pruned.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from tests.testbed import tasks
from tests.testbed.shell import run
from tests.testbed.tasks import Task

Builder = Callable[[Path, Mapping[str, Path]], None]


@dataclass(frozen=True)
class Stage:
    """One artefact: `build(target, finished)` fills the empty folder `target`.

    `inputs` are the files and folders that the result depends on (the builder's own source among
    them), `needs` the names of the stages whose folders it reads from `finished`. `programs` are
    the names of the tasks that install what it runs on the host, where they are run along with it.
    """

    name: str
    build: Builder
    inputs: tuple[Path, ...]
    needs: tuple[str, ...] = ()
    programs: tuple[str, ...] = ()


def default_root() -> Path:
    """Where artefacts are kept: $LABCTL_TESTBED_CACHE, or below the user's cache folder."""
    chosen = os.environ.get("LABCTL_TESTBED_CACHE")
    return Path(chosen) if chosen else Path.home() / ".cache" / "labctl-testbed"


def content_digest(stage: Stage, needed: Iterable[str]) -> str:
    """Digest of a stage's name and inputs, and of the digests of the stages that it needs."""
    digest = hashlib.sha256(stage.name.encode())
    for other in needed:
        digest.update(b"\0needs\0" + other.encode())
    for place in stage.inputs:
        files = sorted(path for path in place.rglob("*")) if place.is_dir() else [place]
        for path in files:
            if "__pycache__" in path.parts or not path.is_file():
                continue
            name = path.relative_to(place.parent).as_posix()
            kind = "executable" if path.stat().st_mode & 0o100 else "plain"
            digest.update(f"\0{name}\0{kind}\0".encode())
            digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


class Cache:
    """The stages of a testbed, and the folders that hold their results."""

    def __init__(self, stages: Iterable[Stage], root: Path | None = None) -> None:
        """`stages` must name those they need before themselves."""
        self.root = root or default_root()
        self.stages = tuple(stages)
        self.digests: dict[str, str] = {}
        for stage in self.stages:
            needed = [self.digests[name] for name in stage.needs]
            self.digests[stage.name] = content_digest(stage, needed)

    def folder(self, name: str) -> Path:
        """Where the finished stage `name` is, or will be."""
        return self.root / name / self.digests[name]

    def missing(self) -> list[Stage]:
        """Stages that have no finished folder."""
        return [stage for stage in self.stages if not self.folder(stage.name).is_dir()]

    def build(self, done: tasks.Report = tasks.told, others: Sequence[Task] = ()) -> None:
        """Build what is missing, independent stages side by side, and prune what it supersedes.

        `others` are run along with the stages, and begin first.
        """
        if not self.missing():
            tasks.run(others, done)
            return
        self.root.mkdir(parents=True, exist_ok=True, mode=0o700)
        with _locked(self.root / "build.lock", fcntl.LOCK_EX):
            for leftover in self.root.glob("*/*.tmp"):
                # A build that was killed may have left something mounted there.
                run("rm", "-rf", "--one-file-system", leftover)
            tasks.run((*others, *map(self._task, self.missing())), done)
            self._prune()

    def hold(self) -> list[IO[str]]:
        """Shared locks on every stage's folder: keep the result for as long as they are in use."""
        held: list[IO[str]] = []
        for stage in self.stages:
            handle = _lock_file(self.folder(stage.name)).open("a")
            fcntl.flock(handle, fcntl.LOCK_SH)
            held.append(handle)
        return held

    def _task(self, stage: Stage) -> Task:
        return Task(stage.name, lambda: self._build_one(stage), (*stage.needs, *stage.programs))

    def _build_one(self, stage: Stage) -> None:
        final = self.folder(stage.name)
        target = final.with_name(final.name + ".tmp")
        target.mkdir(parents=True)
        stage.build(target, {name: self.folder(name) for name in stage.needs})
        target.rename(final)

    def _prune(self) -> None:
        """Remove results of earlier inputs, unless a world is still running on them."""
        for stage in self.stages:
            for folder in (self.root / stage.name).iterdir():
                if not folder.is_dir() or folder == self.folder(stage.name):
                    continue
                with _lock_file(folder).open("a") as handle:
                    try:
                        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    except BlockingIOError:
                        continue
                    shutil.rmtree(folder)
                    _lock_file(folder).unlink()


def _lock_file(folder: Path) -> Path:
    return folder.with_name(folder.name + ".lock")


@contextmanager
def _locked(path: Path, mode: int) -> Iterator[None]:
    with path.open("a") as handle:
        fcntl.flock(handle, mode)
        yield
