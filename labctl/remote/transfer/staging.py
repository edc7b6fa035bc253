"""The temporary folder in which a copy arrives on this computer, beside its final place."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import socket
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from labctl.errors import TransferError
from labctl.messages import msg
from labctl.remote.transfer.entry import STAGE, Entry, Kind

_STALE = 86400.0
"""Seconds after which a temporary folder counts as left by a killed copy."""

_MAKER = re.compile(r"([A-Za-z0-9-]*)\.([0-9]+)\.")

_RESERVED = re.compile(r"(?i)(con|prn|aux|nul|com[0-9]|lpt[0-9])(\..*)?")
_FORBIDDEN = re.compile(r'[<>:"|?*\\\x00-\x1f]|[. ]\Z')

_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)


class Stage:
    """Writes entries below a temporary folder; root number N becomes N.

    Parameters:
        folder: the temporary folder.
        windows: whether to refuse names that Windows cannot store.
        moved: called with the number of bytes of files that arrived.
    """

    def __init__(self, folder: Path, *, windows: bool, moved: Callable[[int], None]) -> None:
        # Text, as Path costs more than writing a small file.
        self._folder = str(folder)
        self._windows = windows
        self._moved = moved
        self._folders: list[tuple[str, Entry]] = []
        self._links: list[tuple[str, Entry]] = []

    def add(self, member: Entry) -> None:
        """Write an entry; `close` creates links.

        Raises:
            TransferError: this file system cannot store it.
            OSError: it cannot be written.
        """
        where = self._where(member.root, member.path)
        if self._windows:
            for name in member.path:
                check_for_windows(name)
        try:
            if member.kind is Kind.FOLDER:
                os.mkdir(where, 0o700)  # noqa: PTH102
                self._folders.append((where, member))
            elif member.kind is Kind.LINK:
                self._links.append((where, member))
            else:
                self._write(where, member)
        except FileExistsError:
            raise _twice(member) from None

    def close(self) -> None:
        """Create links and set the modes and times of folders.

        Links come after files, so that no file is written through a link. Folders follow from the
        innermost out, because adding entries changes their times.
        """
        for where, member in self._links:
            try:
                os.symlink(member.link, where)  # noqa: PTH211
            except FileExistsError:
                raise _twice(member) from None
            except NotImplementedError as error:
                raise TransferError(
                    msg("this system does not support symbolic links: {where}", where=where)
                ) from error
        for where, member in reversed(self._folders):
            os.chmod(where, member.mode)  # noqa: PTH101
            os.utime(where, (member.mtime, member.mtime))

    def _where(self, root: int, path: tuple[str, ...]) -> str:
        return os.path.join(self._folder, str(root), *path)  # noqa: PTH118

    def _write(self, where: str, member: Entry) -> None:
        if member.same_as is not None:
            shutil.copyfile(self._where(*member.same_as), where)
        else:
            descriptor = os.open(where, _NEW, 0o600)
            try:
                for block in member.content():
                    view = memoryview(block)
                    while view:
                        view = view[os.write(descriptor, view) :]
                    self._moved(len(block))
            finally:
                os.close(descriptor)
        os.utime(where, (member.mtime, member.mtime))
        os.chmod(where, member.mode)  # noqa: PTH101


@contextlib.contextmanager
def temporary(at: Path) -> Iterator[Path]:
    """Create a temporary folder in the folder `at`, and remove it in the end.

    Folders that killed copies left there are removed as well. One from another computer, in a
    shared folder, is removed once it is a day old.
    """
    for old in at.glob(f"{STAGE}*"):
        if not old.is_symlink() and _dead(old):
            _remove(old)
    folder = Path(tempfile.mkdtemp(prefix=f"{STAGE}{_host()}.{os.getpid()}.", dir=at))
    try:
        yield folder
    finally:
        _remove(folder)


def _dead(folder: Path) -> bool:
    """Return whether the copy that uses a temporary folder has ended."""
    maker = _MAKER.match(folder.name.removeprefix(STAGE))
    if maker is None:
        return False
    host, pid = maker.groups()
    try:
        if os.name == "nt" or host != _host():  # on Windows, os.kill would end it
            return folder.stat().st_mtime < time.time() - _STALE
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return True
    except (OSError, OverflowError):
        pass
    return False


def _host() -> str:
    """Return this computer's name in a form for file names."""
    return re.sub(r"[^A-Za-z0-9-]", "-", socket.gethostname())


def _remove(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    if folder.exists():  # folders without write permission cannot be emptied
        for inner, _, _ in os.walk(folder):
            with contextlib.suppress(OSError):
                Path(inner).chmod(0o700)
        shutil.rmtree(folder, ignore_errors=True)


def check_for_windows(name: str) -> None:
    """Refuse a file name that Windows cannot store or would take for a path.

    Raises:
        TransferError: the name is refused.
    """
    if _RESERVED.fullmatch(name) or _FORBIDDEN.search(name):
        raise TransferError(
            msg("Windows cannot store the name {name!r}", name=name), hint="rename it on the node"
        )


def _twice(member: Entry) -> TransferError:
    return TransferError(
        msg(
            "{path} collides with another name on this file system",
            path="/".join(member.path),
        ),
        hint="the file system treats both as the same name, for example because it "
        "ignores case; rename one on the node",
    )
