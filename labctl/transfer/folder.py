"""A local folder as the place that a copy goes to."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import stat
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

from labctl.errors import TransferError
from labctl.transfer.member import STAGE, Kind, Member, Root, Source

_STALE = 86400.0
"""Seconds after which a temporary folder is one of a copy that was killed."""

_RESERVED = re.compile(r"(?i)(con|prn|aux|nul|com[0-9]|lpt[0-9])(\..*)?")
_FORBIDDEN = re.compile(r'[<>:"|?*\\\x00-\x1f]|[. ]\Z')


class FolderSink:
    """Puts members in place on this machine; whole, or not at all.

    Parameters:
        path: where they go: into it if it is a folder, else the one root becomes it.
        windows: whether names that Windows cannot hold are refused.
    """

    def __init__(self, path: str, *, windows: bool = os.name == "nt") -> None:
        self._slash = path.endswith(("/", "\\") if windows else "/")
        self._path = Path(path).expanduser()
        self._windows = windows

    def take(self, source: Source, moved: Callable[[int], None], *, into: bool) -> int:
        """Copy all of a source.

        Parameters:
            source: what is copied.
            moved: is told how many bytes of files have arrived.
            into: the path has to be a folder, because there are several sources.

        Returns:
            The number of files and links.

        Raises:
            TransferError: it cannot be copied; nothing half stands under a final name.
            RemoteError: the node broke off.
        """
        try:
            at, name = self._where(source.roots, into)
            with _stage(at) as stage:
                count = self._receive(source, moved, stage)
                for index, root in enumerate(source.roots):
                    received = stage / str(index)
                    if name or root.name:
                        _put(received, at / (name or root.name))
                    else:
                        _merge(received, at)
        except OSError as error:
            raise TransferError(
                f"{error.filename or self._path}: {error.strerror or error}"
            ) from error
        return count

    def _where(self, roots: Sequence[Root], into: bool) -> tuple[Path, str]:
        """Return the folder that takes the roots, and the new name of the one root, if any."""
        if self._path.is_dir():
            return self._path, ""
        files = any(root.kind is Kind.FILE for root in roots)
        if into or (self._slash and files):
            what = "Not a directory" if self._path.exists() else "No such file or directory"
            raise TransferError(f"{self._path}: {what}")
        path = self._path
        if path.is_symlink() and path.is_file():
            path = path.resolve()  # as with scp, a file goes to where a link leads
        if not path.parent.is_dir():
            raise TransferError(f"{path.parent}: No such file or directory")
        return path.parent, path.name

    def _receive(self, source: Source, moved: Callable[[int], None], stage: Path) -> int:
        count = 0
        folders: list[tuple[Path, Member]] = []
        links: list[tuple[Path, Member]] = []
        for member in source.members():
            self._check(member)
            where = stage.joinpath(str(member.root), *member.path)
            count += member.kind is not Kind.FOLDER
            if member.kind is Kind.FOLDER:
                self._new(where.mkdir, where)
                folders.append((where, member))
            elif member.kind is Kind.LINK:
                links.append((where, member))
            elif member.same_as is not None:
                root, path = member.same_as
                shutil.copy2(stage.joinpath(str(root), *path), where)
            else:
                self._write(where, member, moved)
        # Links come after files, so that no file can be written through one; folders get their
        # modes and times last, from the innermost out, since what is put into them changes both.
        for where, member in links:
            self._new(partial(_link, where, member.link), where)
        for where, member in reversed(folders):
            _stamp(where, member)
        return count

    def _write(self, where: Path, member: Member, moved: Callable[[int], None]) -> None:
        def write() -> None:
            with where.open("xb", buffering=0) as file:
                for block in member.content():
                    view = memoryview(block)
                    while view:
                        view = view[file.write(view) :]
                    moved(len(block))

        self._new(write, where)
        _stamp(where, member)

    def _new(self, make: Callable[[], None], where: Path) -> None:
        """Make something, and say why it exists already if it does."""
        try:
            make()
        except FileExistsError:
            raise TransferError(
                f"two names that are one on this file system: {_inside(where)}",
                hint="this file system does not tell them apart, as with capital letters; "
                "copy them one by one",
            ) from None

    def _check(self, member: Member) -> None:
        for name in member.path if self._windows else ():
            if _RESERVED.fullmatch(name) or _FORBIDDEN.search(name):
                raise TransferError(
                    f"Windows cannot hold the name {name!r}", hint="rename it on the node"
                )


def _inside(where: Path) -> str:
    parts = where.parts
    stage = next(index for index, part in enumerate(parts) if part.startswith(STAGE))
    return "/".join(parts[stage + 2 :])


def _link(where: Path, target: str) -> None:
    try:
        where.symlink_to(target)
    except NotImplementedError as error:
        raise OSError(0, "this system has no symbolic links", str(where)) from error


def _stamp(where: Path, member: Member) -> None:
    where.chmod(member.mode)
    os.utime(where, (member.mtime, member.mtime))


@contextlib.contextmanager
def _stage(at: Path) -> Iterator[Path]:
    """Make a temporary folder in the folder `at`, and remove it in the end."""
    for old in at.glob(f"{STAGE}*"):
        if not old.is_symlink() and _dead(old):
            _remove(old)
    stage = Path(tempfile.mkdtemp(prefix=f"{STAGE}{os.getpid()}.", dir=at))
    try:
        yield stage
    finally:
        _remove(stage)


def _dead(stage: Path) -> bool:
    """Tell whether no copy is at work in a temporary folder."""
    pid = stage.name.removeprefix(STAGE).partition(".")[0]
    if not pid.isdecimal():
        return False
    if os.name == "nt":  # where asking whether a process lives would end it
        return stage.stat().st_mtime < time.time() - _STALE
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return True
    except (OSError, OverflowError):
        pass
    return False


def _remove(stage: Path) -> None:
    shutil.rmtree(stage, ignore_errors=True)
    if stage.exists():  # folders without write permission cannot be emptied
        for folder, _, _ in os.walk(stage):
            with contextlib.suppress(OSError):
                Path(folder).chmod(0o700)
        shutil.rmtree(stage, ignore_errors=True)


def _put(received: Path, final: Path) -> None:
    """Move a received file or folder to its final name."""
    if received.is_dir() and not received.is_symlink():
        found = received.stat()
        received.chmod(stat.S_IMODE(found.st_mode) | stat.S_IRWXU)
        if final.is_dir():
            _merge(received, final)
        elif os.path.lexists(final):
            raise TransferError(f"{final}: Not a directory")
        else:
            received.rename(final)
        with contextlib.suppress(PermissionError):  # a folder of somebody else's
            final.chmod(stat.S_IMODE(found.st_mode))
            os.utime(final, (found.st_mtime, found.st_mtime))
        return
    if final.is_dir():
        raise TransferError(f"{final}: Is a directory")
    if final.exists() and not final.is_file():
        raise TransferError(f"{final}: Not a regular file")
    try:
        received.replace(final)
    except PermissionError:
        if os.name != "nt":
            raise
        final.chmod(stat.S_IWRITE)  # Windows does not replace what is read-only
        received.replace(final)


def _merge(received: Path, final: Path) -> None:
    """Move what a folder holds into one that exists, file by file."""
    received.chmod(0o700)
    for entry in sorted(received.iterdir()):
        _put(entry, final / entry.name)
