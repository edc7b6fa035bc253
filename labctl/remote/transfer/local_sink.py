"""A local folder as the destination of a copy."""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Callable, Sequence
from pathlib import Path

from labctl.errors import TransferError
from labctl.messages import msg
from labctl.remote.transfer.entry import EntrySource, Kind, Root
from labctl.remote.transfer.location import expanded
from labctl.remote.transfer.staging import Stage, check_for_windows, temporary


class FolderSink:
    """Puts entries in place on this computer, completely or not at all.

    Parameters:
        path: the destination: entries go into it if it is a folder; else the one root becomes it.
        windows: whether to refuse names that Windows cannot store.
    """

    def __init__(self, path: str, *, windows: bool = os.name == "nt") -> None:
        self._slash = path.endswith(("/", "\\") if windows else "/")
        self._path = Path(expanded(path))
        self._windows = windows

    def take(self, source: EntrySource, moved: Callable[[int], None], *, into: bool) -> int:
        """Copy all of a source; return the number of files and links.

        Parameters:
            source: what is copied.
            moved: called with the number of bytes of files that arrived.
            into: the path must be a folder, because there are several sources.

        Raises:
            TransferError: it cannot be copied; no partial file has a final name.
            RemoteError: the node broke off.
        """
        try:
            at, name = self._where(source.roots, into)
            if self._windows and not name:
                for root in source.roots:
                    check_for_windows(root.name)  # "..\x" and "C:\x" lead elsewhere
            with temporary(at) as folder:
                count = 0
                stage = Stage(folder, windows=self._windows, moved=moved)
                for member in source.members():
                    stage.add(member)
                    count += member.kind is not Kind.FOLDER
                stage.close()
                for index, root in enumerate(source.roots):
                    received = folder / str(index)
                    if name or root.name:
                        _put(received, at / (name or root.name))
                    else:
                        _merge(received, at)
        except OSError as error:
            raise TransferError(
                msg("{what}: {why}", what=error.filename or self._path, why=error.strerror or error)
            ) from error
        return count

    def _where(self, roots: Sequence[Root], into: bool) -> tuple[Path, str]:
        """Return the folder that takes the roots, and the new name of the one root, if any."""
        if self._path.is_dir():
            return self._path, ""
        files = any(root.kind is Kind.FILE for root in roots)
        if into or (self._slash and files):
            what = (
                msg("Not a directory") if self._path.exists() else msg("No such file or directory")
            )
            raise TransferError(msg("{what}: {why}", what=self._path, why=what))
        path = self._path
        if path.is_symlink() and path.is_file():
            path = path.resolve()  # as with scp, a file goes to where a link leads
        if not path.parent.is_dir():
            raise TransferError(msg("{path}: No such file or directory", path=path.parent))
        return path.parent, path.name


def _put(received: Path, final: Path) -> None:
    """Move a received file or folder to its final name; a link there is never followed."""
    if received.is_dir() and not received.is_symlink():
        if final.is_symlink():
            # An earlier copy may have put it there, and it may lead anywhere.
            raise TransferError(
                msg(
                    "{final} is a link; labctl does not follow links below the destination",
                    final=final,
                ),
                hint="remove the link, or copy to its target",
            )
        found = received.stat()
        received.chmod(stat.S_IMODE(found.st_mode) | stat.S_IRWXU)
        if final.is_dir():
            if not os.access(final, os.W_OK):
                with contextlib.suppress(PermissionError):
                    final.chmod(stat.S_IMODE(final.stat().st_mode) | stat.S_IRWXU)
            _merge(received, final)
        elif os.path.lexists(final):
            raise TransferError(msg("{path}: Not a directory", path=final))
        else:
            received.rename(final)
        with contextlib.suppress(PermissionError):  # a folder of somebody else's
            final.chmod(stat.S_IMODE(found.st_mode))
            os.utime(final, (found.st_mtime, found.st_mtime))
        return
    if final.is_dir() and not final.is_symlink():
        raise TransferError(msg("{path}: Is a directory", path=final))
    if os.path.lexists(final) and not (final.is_symlink() or final.is_file()):
        raise TransferError(msg("{path}: Not a regular file", path=final))
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
