"""Moves what arrived in a temporary folder to its final place on this computer.

No link there is followed: each folder is opened in the one above it, and names are looked up in the
open folder.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from labctl.errors import TransferError
from labctl.messages import msg
from labctl.remote.transfer.entry import BLOCK
from labctl.remote.transfer.local_folder import Folder


@dataclass(slots=True)
class _Merge:
    """A received folder, the existing one that takes its content, and the names still to be moved.

    Parameters:
        mode: what the existing folder gets in the end; None: as it is.
        mtime: likewise.
        opened: the folders to be closed in the end.
    """

    received: Folder
    final: Folder
    names: Iterator[tuple[str, str]]
    mode: int | None = None
    mtime: float | None = None
    opened: Sequence[Folder] = ()

    def close(self) -> None:
        for folder in self.opened:
            folder.close()


def place(
    received: Folder, final: Folder, names: Iterable[tuple[str, str]], *, in_place: bool = False
) -> None:
    """Move received files and folders to their final names, and merge folders that exist.

    An existing folder keeps its mode and owner, and gets the time of the one that was copied.

    Parameters:
        received: where they are.
        final: the folder that takes them.
        names: of each, and its final name; an empty one means the content of a folder.
        in_place: write to files that exist, instead of replacing them.

    Raises:
        TransferError: something else is in the way, such as a link for a folder.
        OSError: it cannot be written.
    """
    # A list instead of recursion: Python has a limit for that.
    merges = [_Merge(received, final, iter(list(names)))]
    name = new = ""
    try:
        while merges:
            one = merges[-1]
            name, new = next(one.names, ("", ""))
            if not name:
                one.final.set(one.mode, one.mtime)
                merges.pop().close()
            elif not new:
                inner = one.received.own(name)
                merges.append(_Merge(inner, one.final, _same(inner), opened=(inner,)))
            elif (merge := _put(one, name, new, in_place)) is not None:
                merges.append(merge)
    except OSError as error:
        error.filename = os.path.join(merges[-1].final.path, new or name)  # noqa: PTH118
        error.filename2 = None
        raise
    finally:
        for one in merges:
            one.close()


def _same(folder: Folder) -> Iterator[tuple[str, str]]:
    return ((name, name) for name in folder.names())


def _put(at: _Merge, name: str, new: str, in_place: bool) -> _Merge | None:
    """Move one; return what is still to be merged."""
    found = at.received.find(name)
    before = at.final.find(new)
    assert found is not None
    shown = os.path.join(at.final.path, new)  # noqa: PTH118
    if not stat.S_ISDIR(found.st_mode):
        _put_file(at, name, new, found, before, in_place)
        return None
    if before is None:
        _move_folder(at, name, new, found)
        return None
    if stat.S_ISLNK(before.st_mode):
        # An earlier copy may have put it there, and it may lead anywhere.
        raise TransferError(
            msg(
                "{final} is a link; labctl does not follow links below the destination", final=shown
            ),
            hint="remove the link, or copy to its target",
        )
    if not stat.S_ISDIR(before.st_mode):
        raise TransferError(msg("{path}: Not a directory", path=shown))
    received = at.received.own(name)
    try:
        final, mode = _writable(at.final, new, before)
    except BaseException:
        received.close()
        raise
    opened = (received, final)
    return _Merge(received, final, _same(received), mode, found.st_mtime, opened)


def _writable(folder: Folder, name: str, found: os.stat_result) -> tuple[Folder, int | None]:
    """Open an existing folder in which files will be replaced.

    Returns:
        The folder, and the mode that it gets back in the end.
    """
    mode = stat.S_IMODE(found.st_mode)
    if mode & stat.S_IRWXU == stat.S_IRWXU:
        return folder.inner(name), None
    try:
        final = folder.inner(name)
    except PermissionError:
        os.chmod(folder.at(name), mode | stat.S_IRWXU, dir_fd=folder.fd)
        final = folder.inner(name)
    final.set(mode | stat.S_IRWXU, None)
    return final, mode


def _move_folder(at: _Merge, name: str, new: str, found: os.stat_result) -> None:
    """Move a whole tree at once."""
    mode = stat.S_IMODE(found.st_mode)
    if mode & stat.S_IRWXU == stat.S_IRWXU:
        at.received.move(name, at.final, new)
        return
    with at.received.own(name) as folder:  # without write permission it cannot be moved
        at.received.move(name, at.final, new)
        Folder(os.path.join(at.final.path, new), folder.fd).set(mode, found.st_mtime)  # noqa: PTH118


def _put_file(
    at: _Merge,
    name: str,
    new: str,
    found: os.stat_result,
    before: os.stat_result | None,
    in_place: bool,
) -> None:
    shown = os.path.join(at.final.path, new)  # noqa: PTH118
    if before is not None:
        if stat.S_ISDIR(before.st_mode):
            raise TransferError(msg("{path}: Is a directory", path=shown))
        regular = stat.S_ISREG(before.st_mode)
        if not regular and not stat.S_ISLNK(before.st_mode):
            raise TransferError(msg("{path}: Not a regular file", path=shown))
        both = regular and stat.S_ISREG(found.st_mode)
        if both and (in_place or before.st_nlink > 1) and _may_overwrite(at.final, before):
            _overwrite(at, name, new, found, before)
            return
    try:
        at.received.move(name, at.final, new)
    except PermissionError:
        if os.name != "nt":
            raise
        Path(shown).chmod(stat.S_IWRITE)  # Windows does not replace what is read-only
        at.received.move(name, at.final, new)
    except OSError as error:
        # Something is mounted there.
        if error.errno != errno.EBUSY or before is None or not stat.S_ISREG(found.st_mode):
            raise
        _overwrite(at, name, new, found, before)


def _may_overwrite(folder: Folder, file: os.stat_result) -> bool:
    """Return whether the file is surely meant.

    Whoever may write to the folder may also have put a hard link to any file there.
    """
    if not hasattr(os, "geteuid"):
        return True
    found = folder.status()
    shared = found.st_uid not in (0, os.geteuid()) or found.st_mode & 0o022
    return not shared or file.st_uid == found.st_uid


def _overwrite(
    at: _Merge, name: str, new: str, found: os.stat_result, before: os.stat_result
) -> None:
    """Write to a file that exists: whoever has it by another name, or mounted, sees the change."""
    source = at.received.open_file(name, os.O_RDONLY)
    try:
        target = at.final.open_file(new, os.O_WRONLY)
        try:
            if not os.path.samestat(os.fstat(target), before):
                raise TransferError(msg("{path}: changed during the copy", path=new))
            while block := os.read(source, BLOCK):
                view = memoryview(block)
                while view:
                    view = view[os.write(target, view) :]
            os.ftruncate(target, found.st_size)
            with contextlib.suppress(PermissionError):  # somebody else's file
                if os.utime in os.supports_fd:
                    os.fchmod(target, stat.S_IMODE(found.st_mode))
                    os.utime(target, (found.st_mtime, found.st_mtime))
        finally:
            os.close(target)
    finally:
        os.close(source)
