"""The temporary folder in which a copy arrives on this computer, beside its final place."""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import socket
import time
from collections.abc import Callable, Iterator

from labctl.errors import TransferError
from labctl.messages import msg
from labctl.remote.transfer.entry import BLOCK, STAGE, Entry, Kind
from labctl.remote.transfer.local_folder import Folder

_STALE = 86400.0
"""Seconds after which a temporary folder counts as left by a killed copy."""

_MAKER = re.compile(r"([A-Za-z0-9-]*)\.([0-9]+)\.")

_RESERVED = re.compile(r"(?i)(con|prn|aux|nul|com[0-9]|lpt[0-9])(\..*)?")
_FORBIDDEN = re.compile(r'[<>:"|?*\\\x00-\x1f]|[. ]\Z')

_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL


class Stage:
    """Writes entries below a temporary folder; root number N becomes N.

    Parameters:
        folder: the temporary folder.
        windows: whether to refuse names that Windows cannot store.
        moved: called with the number of bytes of files that arrived.
    """

    def __init__(self, folder: Folder, *, windows: bool, moved: Callable[[int], None]) -> None:
        self._folder = folder
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
        where = _where(member.root, member.path)
        if self._windows:
            for name in member.path:
                check_for_windows(name)
        try:
            if member.kind is Kind.FOLDER:
                os.mkdir(self._folder.at(where), 0o700, dir_fd=self._folder.fd)
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
                os.symlink(member.link, self._folder.at(where), dir_fd=self._folder.fd)
                self._folder.set_inner(where, None, member.mtime)
            except FileExistsError:
                raise _twice(member) from None
            except NotImplementedError as error:
                raise TransferError(
                    msg("this system does not support symbolic links: {where}", where=where)
                ) from error
        for where, member in reversed(self._folders):
            self._folder.set_inner(where, member.mode, member.mtime)

    def _write(self, where: str, member: Entry) -> None:
        descriptor = self._folder.open_file(where, _NEW)
        try:
            for block in self._again(member) if member.same_as else member.content():
                view = memoryview(block)
                while view:
                    view = view[os.write(descriptor, view) :]
                if member.same_as is None:
                    self._moved(len(block))
        finally:
            os.close(descriptor)
        self._folder.set_inner(where, member.mode, member.mtime)

    def _again(self, member: Entry) -> Iterator[bytes]:
        """Yield the content of the file of which an entry is a hard link."""
        assert member.same_as is not None
        where = _where(*member.same_as)
        # Its mode may already be one that forbids reading.
        os.chmod(self._folder.at(where), 0o600, dir_fd=self._folder.fd)
        descriptor = self._folder.open_file(where, os.O_RDONLY)
        try:
            while block := os.read(descriptor, BLOCK):
                yield block
        finally:
            os.close(descriptor)
        self._folder.set_inner(where, member.mode, member.mtime)


def _where(root: int, path: tuple[str, ...]) -> str:
    return os.path.join(str(root), *path)  # noqa: PTH118


@contextlib.contextmanager
def temporary(at: Folder) -> Iterator[tuple[Folder, str]]:
    """Create a temporary folder in the folder `at`, and remove it in the end.

    Folders that killed copies left there are removed as well. One from another computer, in a
    shared folder, is removed once it is a day old.

    Yields:
        The folder and its name.
    """
    for old in at.names():
        if old.startswith(STAGE) and _dead(at, old):
            at.remove(old)
    name = f"{STAGE}{_host()}.{os.getpid()}.{secrets.token_hex(4)}"
    os.mkdir(at.at(name), 0o700, dir_fd=at.fd)
    with at.inner(name) as folder:
        if not folder.mine():  # whoever may write to `at` has put another one there
            raise TransferError(
                msg("{path}: somebody replaced labctl's temporary folder", path=folder.path)
            )
        try:
            yield folder, name
        finally:
            with contextlib.suppress(OSError):
                folder.clear()
                os.rmdir(at.at(name), dir_fd=at.fd)


def _dead(at: Folder, name: str) -> bool:
    """Return whether the copy that uses a temporary folder has ended."""
    maker = _MAKER.match(name.removeprefix(STAGE))
    if maker is None:
        return False
    host, pid = maker.groups()
    try:
        if os.name == "nt" or host != _host():  # on Windows, os.kill would end it
            found = at.find(name)
            return found is not None and found.st_mtime < time.time() - _STALE
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return True
    except (OSError, OverflowError):
        pass
    return False


def _host() -> str:
    """Return this computer's name in a form for file names."""
    return re.sub(r"[^A-Za-z0-9-]", "-", socket.gethostname())


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
