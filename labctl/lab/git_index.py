"""The paths that git tracks in a work tree, read from its index.

git itself is not run. The configuration in a stranger's `.git` can name programs, and git would run
them.
"""

from __future__ import annotations

import os
import re
import struct
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from labctl.errors import StateError
from labctl.messages import msg

_STATUS = 40
"""Bytes of an entry before the name of its object."""

_EXTENDED = 0x4000

_LONGEST = 4096
"""Longest path, in bytes, that a system has."""

_LARGEST = 1 << 28
"""Largest index, in bytes, that is read: four million files."""


def repository_of(folder: Path) -> Path | None:
    """Return the work tree above a folder that tracks something in it, None if there is none.

    Raises:
        StateError: an index cannot be understood, so that nobody can tell.
    """
    for top in folder.parents:
        git = top / ".git"
        if not os.path.lexists(git):
            continue
        try:
            if _tracks(_git_folder(git), top, folder):
                return top
        except OSError:  # git cannot read it either
            continue
        except (ValueError, IndexError, struct.error) as error:
            raise StateError(
                msg("the index of the git repository {folder} cannot be read", folder=top),
                hint="run `git status` there; if the repository is not yours, delete it",
                details=str(error),
            ) from error
    return None


def _git_folder(git: Path) -> Path:
    """Return where a work tree's index is: `.git` itself, or what the file `.git` names."""
    if git.is_dir():
        return git
    text = os.fsdecode(_read(git))
    return git.parent / text.removeprefix("gitdir:").strip()


def _read(path: Path) -> bytes:
    if not path.is_file():  # such as a pipe, which would block
        raise FileNotFoundError(path)
    with path.open("rb") as file:
        data = file.read(_LARGEST + 1)
    if len(data) > _LARGEST:
        raise ValueError("too large")
    return data


def _tracks(git: Path, top: Path, folder: Path) -> bool:
    wanted = folder.relative_to(top)
    index = git / "index"
    if not index.is_file():
        return False
    others: set[str] = set()
    for path in _paths(git, _read(index), wanted.name):
        parts = PurePosixPath(os.fsdecode(path)).parts[: len(wanted.parts)]
        if len(parts) < len(wanted.parts):
            continue
        if _plain(*parts) == _plain(*wanted.parts):
            return True
        if _plain(*parts[:-1]) == _plain(*wanted.parts[:-1]):
            others.add(parts[-1])
    # Windows has short names, such as LABCTL~1.
    return any(_same(folder, folder.with_name(name)) for name in others)


def _plain(*parts: str) -> str:
    """Return a path as disks have it that ignore case."""
    return "/".join(parts).casefold()


def _same(one: Path, other: Path) -> bool:
    try:
        return other.is_dir() and not other.is_symlink() and one.samefile(other)
    except OSError:
        return False


def _paths(git: Path, data: bytes, name: str) -> Iterator[bytes]:
    """Yield the paths in an index, and in the shared one that it may build on.

    Parameters:
        git: the folder of the index.
        data: the index.
        name: a folder's; an index that has no such name in it may be skipped.
    """
    size = _hash_size(git)
    own = _Index(data, size)
    if own.version < 4 and b"link" not in data and not _mentions(data, name):
        return
    yield from (path for path in own.paths() if path)
    link = own.extension(b"link")
    if link is None:
        return
    shared = f"sharedindex.{link[:size].hex()}"
    base = git / shared
    paths = _Index(_read(base if base.is_file() else _common(git) / shared), size).paths()
    deleted = _ones(link[size:])
    first = next(deleted, None)
    for number, path in enumerate(paths):
        if number == first:
            first = next(deleted, None)
        else:
            yield path


def _mentions(data: bytes, name: str) -> bool:
    return b"~" in data or name.lstrip(".").lower().encode() in data.lower()


def _common(git: Path) -> Path:
    """Return the folder of the repository; that of a further work tree names it."""
    try:
        return git / os.fsdecode(_read(git / "commondir")).strip()
    except OSError:
        return git


def _hash_size(git: Path) -> int:
    try:
        config = _read(_common(git) / "config")
    except OSError:
        return 20
    return 32 if re.search(rb"(?i)objectformat\s*=\s*\"?sha256", config) else 20


class _Index:
    """An index file.

    Parameters:
        data: its content.
        hash_size: bytes of an object's name.

    Raises:
        ValueError, IndexError, struct.error: it is damaged; the methods may raise them, too.
    """

    def __init__(self, data: bytes, hash_size: int) -> None:
        mark, self.version, self._count = struct.unpack_from(">4sII", data)
        if mark != b"DIRC" or self.version not in (2, 3, 4):
            raise ValueError("unknown format")
        self._data = data
        self._hash_size = hash_size

    def paths(self) -> Iterator[bytes]:
        """Yield the path of each entry; `extension` may be called afterwards."""
        start, path = 12, b""
        for _ in range(self._count):
            at = start + _STATUS + self._hash_size
            (flags,) = struct.unpack_from(">H", self._data, at)
            at += 4 if flags & _EXTENDED else 2
            before = b""
            if self.version == 4:
                # The path begins as the one before it does, without this many bytes.
                omitted, at = self._number(at)
                before = path[: len(path) - omitted]
            end = self._data.index(b"\0", at)
            path = before + self._data[at:end]
            if len(path) > _LONGEST:
                raise ValueError("a path is too long")
            yield path
            start = end + 1 if self.version == 4 else start + (end - start + 8) // 8 * 8
        self._end = start

    def _number(self, at: int) -> tuple[int, int]:
        byte = self._data[at]
        value = byte & 127
        while byte & 128:
            at += 1
            byte = self._data[at]
            value = (value + 1 << 7) + (byte & 127)
        return value, at + 1

    def extension(self, wanted: bytes) -> bytes | None:
        """Return an extension's content, None if the index has no such extension."""
        at = self._end
        while at + 8 <= len(self._data) - self._hash_size:
            name, size = struct.unpack_from(">4sI", self._data, at)
            if name == wanted:
                return self._data[at + 8 : at + 8 + size]
            at += 8 + size
        return None


def _ones(bitmap: bytes) -> Iterator[int]:
    """Yield the positions of the ones in a compressed bitmap (EWAH), in order."""
    if not bitmap:
        return
    bits, count = struct.unpack_from(">II", bitmap)
    words = struct.unpack_from(f">{count}Q", bitmap, 8)
    at = index = 0
    while index < count:
        marker = words[index]
        run = (marker >> 1 & 0xFFFFFFFF) * 64
        if marker & 1:
            yield from range(at, min(bits, at + run))
        at += run
        literals = words[index + 1 : index + 1 + (marker >> 33)]
        for word in literals:
            yield from (at + bit for bit in range(64) if word >> bit & 1)
            at += 64
        index += 1 + len(literals)
