"""Shared by the rows about copying: the files, the four ways to copy them, the proof."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import random
import shlex
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from benchmarks import lab as labs
from benchmarks import provisioning
from benchmarks.errors import BenchError
from benchmarks.harness import LABCTL, Contender
from benchmarks.lab import Host, Lab
from benchmarks.measuring import Command, Sample
from tests.testbed import Node, World

SCP, RSYNC, VAGRANT_SCP = "scp", "rsync", "vagrant-scp's scp"
SIZE = 512 * 1024 * 1024
FILES = 5000
MEMORY = Path("/dev/shm")
"""Where copies go, here and on the node: into memory, for a disk's time is nobody's merit. It can
be most of it, too: ext4 without a journal looks at every number of a file that was deleted a while
ago before it takes one, so that a tree of 5,000 files after another takes two seconds, not 0.2."""
REMOTE = str(MEMORY / "bench")
MOSTLY_WAITING = 0.2
"""The part of one processor that copies may use which are made side by side."""


def make_file(path: Path, size: int = SIZE) -> None:
    """Make a file that no compression makes smaller."""
    source = random.Random(1)
    with path.open("wb") as file:
        for _ in range(size // (1 << 20)):
            file.write(source.randbytes(1 << 20))


def make_tree(path: Path, files: int = FILES) -> None:
    """Make a tree of small files, a hundred in a folder."""
    source = random.Random(2)
    for number in range(files):
        folder = path / f"chapter{number // 100}"
        if number % 100 == 0:
            folder.mkdir(parents=True)
        (folder / f"file{number}").write_bytes(source.randbytes(source.randint(100, 2000)))


@contextlib.contextmanager
def copiers(world: World, name: str) -> Iterator[tuple[Copier, Copier]]:
    """Boot a node; yield what copies a big file, and what copies a tree of small ones."""
    with (
        provisioning.nodes(world, 1) as (node,),
        tempfile.TemporaryDirectory(dir=MEMORY) as memory,
    ):
        folder, back = labs.scratch(world, name), Path(memory) / "copy"
        lab = Lab.make(folder, [Host.of(node)], labs.spec(world))
        file, tree = folder / "file", folder / "tree"
        make_file(file)
        make_tree(tree)
        yield Copier(lab, node, file, back), Copier(lab, node, tree, back)


@dataclass(frozen=True)
class Copier:
    """Copies one thing to a node and back, with each of the programs.

    Parameters:
        lab: of one machine.
        node: that machine.
        source: the file or folder here.
        back: where it is copied to from the node.
    """

    lab: Lab
    node: Node
    source: Path
    back: Path

    def up(self, names: Sequence[str], at_once: Sequence[str] = ()) -> list[Contender]:
        """Return the contenders that copy to the node; what they copy becomes `REMOTE`.

        Parameters:
            names: of the contenders.
            at_once: those that wait for the line only, and so make all their copies side by side.
        """
        wanted = self._digest_here(self.source)

        def prepare(end: str = "") -> None:
            self.node.sh(f"rm -rf {REMOTE}{end}; sync")

        def check(end: str = "") -> None:
            self._same(self._digest_there(end), wanted)
            if end:
                prepare(end)

        return self._contenders(names, at_once, self._up, prepare, check)

    def down(self, names: Sequence[str], at_once: Sequence[str] = ()) -> list[Contender]:
        """Return the contenders that copy from the node; what they copy becomes `back`.

        Parameters as those of `up`.
        """
        wanted = self._digest_here(self.source)

        def prepare(end: str = "") -> None:
            self._same(self._digest_there(), wanted)
            back = self._back(end)
            if back.is_dir():
                shutil.rmtree(back)
            back.unlink(missing_ok=True)

        def check(end: str = "") -> None:
            self._same(self._digest_here(self._back(end)), wanted)

        return self._contenders(names, at_once, self._down, prepare, check)

    def _contenders(
        self,
        names: Sequence[str],
        at_once: Sequence[str],
        command: Callable[..., Command],
        prepare: Callable[..., None],
        check: Callable[..., None],
    ) -> list[Contender]:
        def many(name: str, count: int) -> list[Sample]:
            ends = [f"-{number}" for number in range(count)]
            for end in ends:
                prepare(end)
            with ThreadPoolExecutor(count) as threads:
                samples = list(threads.map(lambda end: command(name, end).measure(), ends))
            for end in ends:
                check(end)
            busy = sum(sample.cpu for sample in samples) / max(s.seconds for s in samples)
            if busy > MOSTLY_WAITING:
                raise BenchError(f"side by side they had {busy:.0%} of a processor: not only waits")
            return samples

        return [
            Contender(
                name,
                command(name).measure,
                prepare,
                check,
                functools.partial(many, name) if name in at_once else None,
            )
            for name in names
        ]

    def _back(self, end: str) -> Path:
        return self.back.with_name(f"{self.back.name}{end}")

    def _up(self, program: str, end: str = "") -> Command:
        there = f"{self.node.name}:{REMOTE}{end}"
        # rsync alone takes a folder's content only with a slash behind its name.
        slash = "/" if self.source.is_dir() and program == RSYNC else ""
        return self._command(program, f"{self.source}{slash}", there)

    def _down(self, program: str, end: str = "") -> Command:
        slash = "/" if self.source.is_dir() and program == RSYNC else ""
        there = f"{self.node.name}:{REMOTE}{slash}"
        return self._command(program, there, str(self._back(end)))

    def _command(self, program: str, source: str, target: str) -> Command:
        config = str(self.lab.folder / "ssh_config")
        recursive = ["-r"] if self.source.is_dir() else []
        if program == LABCTL:
            return self.lab.labctl("scp", source, target)
        if program == SCP:
            return Command(["scp", "-q", "-F", config, *recursive, source, target])
        if program == RSYNC:
            return Command(["rsync", "-a", "-e", f"ssh -F {config}", source, target])
        host = self.lab.hosts[0]
        login = f"{host.user}@{host.address}:"
        argv = [
            *("scp", "-r"),
            *("-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null"),
            *("-o", f"port={host.port}", "-o", "LogLevel=ERROR", "-i", str(host.key)),
            source.replace(f"{host.name}:", login),
            target.replace(f"{host.name}:", login),
        ]
        return Command(argv)

    def _digest_there(self, end: str = "") -> str:
        path = shlex.quote(f"{REMOTE}{end}")
        listing = (
            f"cd {path} && find . -type f -print0 | sort -z | xargs -0 sha256sum"
            if self.source.is_dir()
            else f"sha256sum <{path}"
        )
        text = self.node.sh(f"export LC_ALL=C; {listing}", check=False).stdout
        return hashlib.sha256(text.encode()).hexdigest()

    def _digest_here(self, path: Path) -> str:
        if path.is_dir():
            names = sorted(
                f"./{file.relative_to(path)}".encode() for file in path.rglob("*") if file.is_file()
            )
            digests = (hashlib.sha256((path / name.decode()).read_bytes()) for name in names)
            text = "".join(
                f"{digest.hexdigest()}  {name.decode()}\n"
                for digest, name in zip(digests, names, strict=True)
            )
        else:
            with path.open("rb") as file:
                text = f"{hashlib.file_digest(file, 'sha256').hexdigest()}  -\n"
        return hashlib.sha256(text.encode()).hexdigest()

    def _same(self, seen: str, wanted: str) -> None:
        if seen != wanted:
            raise BenchError("what arrived is not what was sent")
