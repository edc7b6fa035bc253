"""Trees of files: as values, on the disk, and as hypothesis invents them."""

from __future__ import annotations

import hashlib
import os
import shutil
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from hypothesis import strategies as st

OUTSIDE = "outside"
"""A file beside every tree, for links that lead out of it."""


@dataclass(frozen=True)
class File:
    text: bytes = b""
    repeated: int = 1
    mode: int = 0o644
    mtime: int = 1_000_000_000

    @property
    def data(self) -> bytes:
        return self.text * self.repeated


@dataclass(frozen=True)
class Link:
    target: str


@dataclass(frozen=True)
class Pipe:
    pass


@dataclass(frozen=True)
class Folder:
    entries: tuple[tuple[str, Node], ...] = ()
    mode: int = 0o755
    mtime: int = 1_000_000_000

    def walk(self, above: str = "") -> Iterator[tuple[str, Node]]:
        """Yield the path and the node of everything below."""
        for name, node in self.entries:
            yield above + name, node
            if isinstance(node, Folder):
                yield from node.walk(f"{above}{name}/")


Node = File | Link | Pipe | Folder


def build(at: str, node: Node) -> None:
    """Make a node at a path that is free."""
    match node:
        case File(_, _, mode, mtime):
            with open(at, "wb") as file:  # noqa: PTH123 (Path costs more)
                file.write(node.data)
            os.chmod(at, mode)  # noqa: PTH101
            os.utime(at, (mtime, mtime))
        case Link(target):
            os.symlink(target, at)  # noqa: PTH211
        case Pipe():
            os.mkfifo(at, 0o600)
        case Folder(entries, mode, mtime):
            os.mkdir(at, 0o700)  # noqa: PTH102
            for name, inner in entries:
                build(f"{at}/{name}", inner)
            os.chmod(at, mode)  # noqa: PTH101
            os.utime(at, (mtime, mtime))


def remove(path: Path) -> None:
    """Remove a tree, whatever its modes are."""
    shutil.rmtree(path, ignore_errors=True)


Snapshot = dict[str, tuple[object, ...]]


def snapshot(top: Path) -> Snapshot:
    """Return what is below a folder: kind, mode, time, and content of each path."""
    found: Snapshot = {}
    pending = [""]
    while pending:
        folder = pending.pop()
        for name in os.listdir(top / folder):  # noqa: PTH208
            path = f"{folder}/{name}" if folder else name
            where = top / path
            status = where.lstat()
            mode, mtime = stat.S_IMODE(status.st_mode), int(status.st_mtime)
            if stat.S_ISLNK(status.st_mode):
                found[path] = ("link", str(where.readlink()))
            elif stat.S_ISDIR(status.st_mode):
                found[path] = ("folder", mode, mtime)
                pending.append(path)
            elif stat.S_ISREG(status.st_mode):
                digest = hashlib.sha256(where.read_bytes()).hexdigest()[:12]
                found[path] = ("file", mode, mtime, status.st_size, digest)
            else:
                found[path] = ("other",)
    return found


def described(folder: Folder) -> Iterator[tuple[str, tuple[object, ...]]]:
    """Yield what `snapshot` says of a folder once it is built."""
    for path, node in folder.walk():
        match node:
            case File(_, _, mode, mtime):
                digest = hashlib.sha256(node.data).hexdigest()[:12]
                yield path, ("file", mode, mtime, len(node.data), digest)
            case Folder(_, mode, mtime):
                yield path, ("folder", mode, mtime)
            case Link(target):
                yield path, ("link", target)
            case Pipe():
                yield path, ("other",)


# -- as hypothesis invents them

CHARACTERS = "ab1" * 3 + "ü第🐳 \n\t'\"$*?[]{}\\~:;,-.&!^`#=@%\x7f\udce9"

names = (
    st.text(CHARACTERS, min_size=1, max_size=4)
    .filter(lambda name: name not in (".", ".."))
    # Lone bytes beside each other may become a character when they are read again.
    .filter(lambda name: os.fsdecode(os.fsencode(name)) == name)
)
times = st.integers(0, 2**31 - 1)
files = st.builds(
    File,
    st.binary(max_size=4),
    st.one_of(st.integers(1, 10), st.integers(1, 100_000)),
    st.sampled_from((0o644, 0o600, 0o755, 0o444, 0o400, 0o664, 0o000)),
    times,
)
links = st.builds(
    Link,
    st.one_of(
        names,
        names.map(lambda name: f"../{name}"),
        st.sampled_from(
            ("a", "b", "a/b", "../a", f"../{OUTSIDE}", f"../../{OUTSIDE}", "/etc/passwd", ".")
        ),
    ),
)


def entries(
    node: st.SearchStrategy[Node], most: int = 4
) -> st.SearchStrategy[tuple[tuple[str, Node], ...]]:
    """Return a strategy for what is in a folder."""
    few = st.sampled_from(("a", "b", "ab"))
    return st.dictionaries(st.one_of(few, names), node, max_size=most).map(
        lambda d: tuple(d.items())
    )


def folders(node: st.SearchStrategy[Node]) -> st.SearchStrategy[Folder]:
    """Return a strategy for folders of such nodes."""
    return st.builds(Folder, entries(node), st.sampled_from((0o755, 0o700, 0o555, 0o775)), times)


plain = st.recursive(files, folders, max_leaves=8)
"""Files and folders."""
linked = st.recursive(st.one_of(files, links), folders, max_leaves=10)
"""Files, folders and links."""
piped = st.recursive(st.one_of(files, st.just(Pipe())), folders, max_leaves=8)
"""Files, folders and pipes; scp would wait for ever for a pipe to which a link leads."""
