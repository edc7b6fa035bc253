"""Local files and folders as the source of a copy.

The whole tree is scanned before anything is sent. So the progress bar knows the total, and labctl
reports what cannot be copied before it changes the node.
"""

from __future__ import annotations

import glob
import os
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from labctl.errors import TransferError, UsageError
from labctl.messages import msg
from labctl.remote.transfer.entry import BLOCK, Bytes, Entry, Kind, Root, link_stays
from labctl.remote.transfer.location import expanded

WINDOWS = os.name == "nt"


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
        raise UsageError(msg("{pattern}: there is no such file or folder here", pattern=pattern))
    return found


@dataclass(slots=True)
class _Folder:
    """A folder still to be scanned. `base` is the depth up to which its links may climb."""

    where: str
    root: int
    path: tuple[str, ...]
    base: int
    above: frozenset[tuple[int, int]]


class Tree:
    """Local files and folders, scanned when this is created.

    Parameters:
        paths: of files or folders; a final ``.`` or ``..`` means the content of that folder.
        follow: copy the targets of links instead of the links. Otherwise a link is kept if its
            target is inside the tree or doesn't exist, and followed if not, as scp does.

    Raises:
        TransferError: something in there cannot be read, or is neither file nor folder.
    """

    def __init__(self, paths: Sequence[str], *, follow: bool = False) -> None:
        self._follow = follow
        self._members: list[Entry] = []
        roots: list[Root] = []
        for index, path in enumerate(paths):
            kind = self._scan(path, index)
            roots.append(Root(_name(path) if kind is Kind.FOLDER else Path(path).name, kind))
        self.roots: Sequence[Root] = tuple(roots)
        self.size = sum(member.size for member in self._members)

    def members(self) -> Iterator[Entry]:
        """Yield each member, a folder before what is in it."""
        yield from self._members

    def _scan(self, top: str, root: int) -> Kind:
        try:
            found = os.stat(top)  # noqa: PTH116
        except OSError as error:
            raise _unreadable(top, error) from error
        inner = self._add(top, root, (), found, 0, frozenset())
        # Each folder is finished before the next is begun: tar sets a folder's time when it sees
        # something else, and does not come back to it.
        open_folders = [(inner, self._names(inner.where))] if inner else []
        while open_folders:
            folder, names = open_folders[-1]
            name = next(names, None)
            if name is None:
                open_folders.pop()
                continue
            inner = self._look(folder, name)
            if inner is not None:
                open_folders.append((inner, self._names(inner.where)))
        return Kind.FOLDER if stat.S_ISDIR(found.st_mode) else Kind.FILE

    @staticmethod
    def _names(folder: str) -> Iterator[str]:
        try:
            return iter(sorted(os.listdir(folder)))  # noqa: PTH208
        except OSError as error:
            raise _unreadable(folder, error) from error

    def _look(self, folder: _Folder, name: str) -> _Folder | None:
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
                    mtime = int(found.st_mtime)
                    link = Entry(folder.root, path, Kind.LINK, 0o777, mtime, link=target)
                    self._members.append(link)
                    return None
                found = os.stat(where)  # noqa: PTH116
                base = len(path)
        except OSError as error:
            raise _unreadable(where, error) from error
        return self._add(where, folder.root, path, found, base, folder.above)

    def _add(
        self,
        where: str,
        root: int,
        path: tuple[str, ...],
        found: os.stat_result,
        base: int,
        above: frozenset[tuple[int, int]],
    ) -> _Folder | None:
        """Add an entry; return it if it is a folder, to be scanned."""
        mtime = int(found.st_mtime)
        if stat.S_ISDIR(found.st_mode):
            identity = (found.st_dev, found.st_ino)
            if identity in above:
                raise TransferError(
                    msg("{where} leads back to a folder that it is in", where=where)
                )
            self._members.append(Entry(root, path, Kind.FOLDER, _mode(found, 0o755), mtime))
            return _Folder(where, root, path, base, above | {identity})
        if stat.S_ISREG(found.st_mode):
            if not os.access(where, os.R_OK):
                raise TransferError(msg("{where} cannot be read: Permission denied", where=where))
            size = found.st_size
            content = partial(_content, where, size)
            mode = _mode(found, 0o644)
            self._members.append(Entry(root, path, Kind.FILE, mode, mtime, size, content=content))
            return None
        raise TransferError(
            msg("{path} is neither a file nor a folder", path=where),
            hint="remove it, or copy its neighbours",
        )


def _name(path: str) -> str:
    """Return the name that a folder keeps; Path would drop the final "." that means its content."""
    last = path.replace("\\", "/") if WINDOWS else path
    last = last.rstrip("/").rpartition("/")[2]
    return "" if last in ("", ".", "..") or (WINDOWS and last.endswith(":")) else last


def _mode(found: os.stat_result, on_windows: int) -> int:
    """Return the permission bits. Windows has none, and Python makes up some open to everybody."""
    return on_windows if WINDOWS else stat.S_IMODE(found.st_mode)


def _content(where: str, size: int) -> Iterator[Bytes]:
    """Yield exactly `size` bytes of a file.

    Raises:
        TransferError: it cannot be read, or has become shorter.
    """
    buffer = bytearray(min(BLOCK, size))
    view = memoryview(buffer)
    try:
        with open(where, "rb", buffering=0) as file:  # noqa: PTH123
            left = size
            while left:
                got = file.readinto(view[: min(len(view), left)])
                if not got:
                    raise TransferError(
                        msg("{where} became shorter while it was copied", where=where)
                    )
                left -= got
                yield view[:got]
    except OSError as error:
        raise _unreadable(where, error) from error


def _unreadable(where: str, error: OSError) -> TransferError:
    return TransferError(
        msg("{path} cannot be read: {reason}", path=where, reason=error.strerror or error)
    )
