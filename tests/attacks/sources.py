"""Sources of copies without a node: trees as a hostile node sends them."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from labctl.remote.transfer.entry import Entry, Kind, Root
from labctl.remote.transfer.tar_reader import Expected, members


@dataclass
class Sent:
    """A tree that consists of these entries."""

    roots: Sequence[Root]
    entries: Sequence[Entry]
    size: int = 0

    def members(self) -> Iterator[Entry]:
        yield from self.entries


class Pieces:
    """A stream in parts of an awkward size."""

    def __init__(self, data: bytes, piece: int = 700) -> None:
        self._file = io.BytesIO(data)
        self._piece = piece

    def recv(self) -> bytes:
        return self._file.read(self._piece)


@dataclass
class TarSource:
    """A tar stream, from which labctl reads the entries."""

    data: bytes
    roots: Sequence[Root]
    size: int = 0

    def members(self) -> Iterator[Entry]:
        expected = {root.name: Expected(index, root) for index, root in enumerate(self.roots)}
        return members(Pieces(self.data), expected, "docker-node1")


def folder(root: int, *path: str, mode: int = 0o755) -> Entry:
    return Entry(root, path, Kind.FOLDER, mode, 1)


def link(root: int, *path: str, to: str) -> Entry:
    return Entry(root, path, Kind.LINK, 0o777, 1, link=to)


def file(root: int, *path: str, data: bytes, mode: int = 0o644) -> Entry:
    return Entry(root, path, Kind.FILE, mode, 1, len(data), content=lambda: iter([data]))


def tree(*paths: str, root: int = 0, data: bytes = b"theirs") -> list[Entry]:
    """Return a folder with files at these paths, and the folders that they need."""
    made: dict[tuple[str, ...], Entry] = {(): folder(root)}
    for path in paths:
        parts = tuple(path.split("/"))
        for length in range(1, len(parts)):
            made.setdefault(parts[:length], folder(root, *parts[:length]))
        made[parts] = file(root, *parts, data=data)
    return list(made.values())
