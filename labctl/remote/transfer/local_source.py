"""Local files and folders as the source of a copy.

The whole tree is scanned before anything is sent. So the total is known for the progress bar, and
labctl reports files that it cannot copy before it changes the node.
"""

from __future__ import annotations

import errno
import glob
import os
import stat
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import BinaryIO, cast

from labctl.errors import TransferError, UsageError
from labctl.messages import msg
from labctl.remote.transfer.entry import BLOCK, Bytes, Entry, Kind, Root, link_stays
from labctl.remote.transfer.location import expanded
from labctl.remote.transfer.skipped import CHANGED, DENIED, GONE, NO_FILE, SHRANK, Skipped

WINDOWS = os.name == "nt"

_MOST = 1 << 30
"""Bytes to read from a file without a size; the kernel's generated files are smaller."""


def expand(pattern: str) -> list[str]:
    """Return the local paths that a source means; Windows' shells don't expand patterns.

    Raises:
        UsageError: nothing matches.
    """
    path = expanded(pattern)
    if os.path.lexists(path):
        return [path]
    found = sorted(glob.glob(path))  # noqa: PTH207 (an absolute pattern is no Path's)
    if not found:
        raise UsageError(msg("{pattern}: no such file or folder here", pattern=pattern))
    return found


@dataclass(slots=True)
class _Folder:
    """A folder still to be scanned. `base` is the depth up to which its links may climb."""

    where: str
    root: int
    path: tuple[str, ...]
    base: int
    above: frozenset[tuple[int, int]]


_Open = tuple[_Folder, Iterator[str]]
"""A folder and the names in it that are still to be scanned."""


@dataclass(frozen=True, slots=True)
class _File:
    """A file in the tree: `entry` has the size that it had when the tree was scanned."""

    entry: Entry
    where: str


class Tree:
    """Local files and folders, scanned when this is created.

    Parameters:
        paths: of files or folders; a final ``.`` or ``..`` means the content of that folder.
        follow: copy the targets of links instead of the links. Otherwise a link is kept if its
            target is inside the tree or doesn't exist, and followed if not, as scp does.

    `skipped` has what cannot be copied while the rest can.

    Raises:
        TransferError: there is nothing that can be copied, or a link leads back to a folder that it
            is in.
    """

    def __init__(self, paths: Sequence[str], *, follow: bool = False) -> None:
        self._follow = follow
        self._members: list[_File | Entry] = []
        self.skipped: list[Skipped] = []
        roots: list[Root] = []
        for path in paths:
            kind = self._scan(path, len(roots))
            if kind is not None:
                name = _name(path) if kind is Kind.FOLDER else Path(path).name
                roots.append(Root(name, kind))
        if not roots and self.skipped:
            raise self.skipped[0].error()
        self.roots: Sequence[Root] = tuple(roots)
        self.size = sum(file.entry.size for file in self._members if isinstance(file, _File))

    def members(self) -> Iterator[Entry]:
        """Yield each member, a folder before what is in it."""
        return self.reported(lambda skipped: None, lambda message: None).members()

    def reported(
        self, skip: Callable[[Skipped], None], notice: Callable[[str], None]
    ) -> ReportedTree:
        """Return the tree as a source that reports what happens while it is read.

        Parameters:
            skip: called with each file that cannot be copied any more.
            notice: called with a sentence about a file that is copied but may be incomplete.
        """
        return ReportedTree(self.roots, self.size, self._members, skip, notice)

    def _scan(self, top: str, root: int) -> Kind | None:
        """Add a root and all below it; return its kind, or None if it was skipped."""
        try:
            found = os.stat(top)  # noqa: PTH116
        except OSError as error:
            self._skip(top, error)
            return None
        before = len(self._members)
        inner = self._add(top, root, (), found, 0, frozenset())
        # Each folder is finished before the next is begun: tar sets a folder's time when it sees
        # something else, and does not come back to it.
        open_folders = [inner] if inner else []
        while open_folders:
            folder, names = open_folders[-1]
            name = next(names, None)
            if name is None:
                open_folders.pop()
                continue
            inner = self._look(folder, name)
            if inner is not None:
                open_folders.append(inner)
        if len(self._members) == before:
            return None
        return Kind.FOLDER if stat.S_ISDIR(found.st_mode) else Kind.FILE

    def _look(self, folder: _Folder, name: str) -> _Open | None:
        where = os.path.join(folder.where, name)  # noqa: PTH118 (Path costs more than lstat)
        path = (*folder.path, name)
        base = folder.base
        try:
            found = os.lstat(where)
            if stat.S_ISLNK(found.st_mode):
                target = os.readlink(where)  # noqa: PTH115
                if WINDOWS:
                    target = target.replace("\\", "/")
                leads_nowhere = not os.path.exists(where)  # noqa: PTH110
                if not self._follow and (
                    link_stays(len(folder.path) - folder.base, target) or leads_nowhere
                ):
                    mtime = found.st_mtime_ns // 10**9
                    link = Entry(folder.root, path, Kind.LINK, 0o777, mtime, link=target)
                    self._members.append(link)
                    return None
                found = os.stat(where)  # noqa: PTH116
                base = len(path)
        except OSError as error:
            self._skip(where, error)
            return None
        return self._add(where, folder.root, path, found, base, folder.above)

    def _add(
        self,
        where: str,
        root: int,
        path: tuple[str, ...],
        found: os.stat_result,
        base: int,
        above: frozenset[tuple[int, int]],
    ) -> _Open | None:
        """Add an entry; return it if it is a folder, to be scanned."""
        mtime = found.st_mtime_ns // 10**9
        if stat.S_ISDIR(found.st_mode):
            identity = (found.st_dev, found.st_ino)
            if identity in above:
                raise TransferError(
                    msg("{where} links to a folder that contains it", where=where),
                    hint=msg("copy it without --follow")
                    if self._follow
                    else msg("remove the link"),
                )
            try:
                names = iter(sorted(os.listdir(where)))  # noqa: PTH208
            except OSError as error:
                self._skip(where, error)
                return None
            self._members.append(Entry(root, path, Kind.FOLDER, _mode(found, 0o755), mtime))
            return _Folder(where, root, path, base, above | {identity}), names
        if not stat.S_ISREG(found.st_mode):
            self.skipped.append(Skipped("", where, NO_FILE))
        elif not os.access(where, os.R_OK):
            self.skipped.append(Skipped("", where, DENIED))
        else:
            mode = _mode(found, 0o644)
            entry = Entry(root, path, Kind.FILE, mode, mtime, found.st_size)
            self._members.append(_File(entry, where))
        return None

    def _skip(self, where: str, error: OSError) -> None:
        self.skipped.append(Skipped("", where, _reason(error)))


@dataclass(frozen=True, slots=True)
class ReportedTree:
    """A scanned tree as a source; see `Tree.reported`."""

    roots: Sequence[Root]
    size: int
    entries: Sequence[_File | Entry]
    skip: Callable[[Skipped], None]
    notice: Callable[[str], None]

    def members(self) -> Iterator[Entry]:
        """Yield each member, a folder before what is in it.

        A file has the size that it has now.

        Raises:
            TransferError: a root cannot be read any more.
        """
        for entry in self.entries:
            if isinstance(entry, Entry):
                yield entry
                continue
            try:
                with _opened(entry.where) as file:
                    yield self._file(entry, file)
            except OSError as error:
                gone = Skipped("", entry.where, _reason(error))
                if not entry.entry.path:
                    raise gone.error() from error  # the node waits for it
                self.skip(gone)

    def _file(self, scanned: _File, file: BinaryIO) -> Entry:
        """Return the entry of an open file.

        What is short is read to its end, because a file in /proc or /sys shows a size that says
        nothing. The size of a big one is taken at its word, because the header of a tar has it.
        """
        size = os.fstat(file.fileno()).st_size
        first = _read(file, BLOCK if size == 0 else min(BLOCK, size + 1), size)
        rest: BinaryIO = file
        if len(first) < BLOCK:
            size = len(first)
        elif size <= BLOCK:
            rest = _spooled(file)
            size = len(first) + os.fstat(rest.fileno()).st_size
        content = partial(self._content, scanned.where, first, rest, size)
        return replace(scanned.entry, size=size, content=content)

    def _content(self, where: str, first: bytes, rest: BinaryIO, size: int) -> Iterator[Bytes]:
        """Yield exactly `size` bytes of a file, of which the first are read already."""
        yield first
        left = size - len(first)
        if not left:
            return
        view = memoryview(bytearray(min(BLOCK, left)))
        try:
            while left:
                got = rest.readinto(view[: min(len(view), left)])  # type: ignore[attr-defined]
                if not got:
                    raise Skipped("", where, SHRANK).error()
                left -= got
                yield view[:got]
            if os.fstat(rest.fileno()).st_size != size:
                self.notice(msg("{path}: {why}", path=where, why=CHANGED))
        except OSError as error:
            raise Skipped("", where, _reason(error)).error() from error


def _read(file: BinaryIO, most: int, size: int) -> bytes:
    """Return a file of that size up to its end, or its first `BLOCK` bytes."""
    data = file.read(most)
    while len(data) != size and len(data) < BLOCK and (more := file.read(BLOCK - len(data))):
        data += more
    return data


def _spooled(file: BinaryIO) -> BinaryIO:
    """Return the rest of a file as a temporary one, to learn how much it is."""
    rest = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115
    while data := file.read(BLOCK):
        rest.write(data)
        if rest.tell() > _MOST:
            rest.close()
            raise OSError(errno.EFBIG, os.strerror(errno.EFBIG))
    rest.seek(0)
    return cast(BinaryIO, rest)


def _opened(where: str) -> BinaryIO:
    """Open a file; a pipe that has taken its place must not block."""
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    file = open(os.open(where, flags), "rb", buffering=0)  # noqa: PTH123, SIM115
    if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        file.close()
        raise OSError(errno.EINVAL, NO_FILE)
    return cast(BinaryIO, file)


def _name(path: str) -> str:
    """Return the name that a folder keeps; Path would drop the final "." that means its content."""
    last = path.replace("\\", "/") if WINDOWS else path
    last = last.rstrip("/").rpartition("/")[2]
    return "" if last in ("", ".", "..") or (WINDOWS and last.endswith(":")) else last


def _mode(found: os.stat_result, on_windows: int) -> int:
    """Return the permission bits. Windows has none, and Python makes up some open to everybody."""
    return on_windows if WINDOWS else stat.S_IMODE(found.st_mode)


def _reason(error: OSError) -> str:
    if isinstance(error, PermissionError):
        return DENIED
    return GONE if isinstance(error, FileNotFoundError) else error.strerror or str(error)
