"""An open folder of this computer, in which names are looked up without following links."""

from __future__ import annotations

import contextlib
import os
import secrets
import stat
from collections.abc import Iterator
from pathlib import Path

_HANDLES = os.open in os.supports_dir_fd and os.rename in os.supports_dir_fd
_OPEN = os.O_RDONLY | getattr(os, "O_DIRECTORY", 0) | getattr(os, "O_CLOEXEC", 0)
_NO_LINK = getattr(os, "O_NOFOLLOW", 0)
_BINARY = getattr(os, "O_BINARY", 0)


class Folder:
    """A folder that stays the same one, whoever renames it or puts a link in its place.

    Functions of `os` take `folder.at(name)` as the path and `folder.fd` as `dir_fd`. On Windows,
    which has no such handles, that is the whole path and None.
    """

    def __init__(self, path: str, fd: int | None) -> None:
        self.path = path
        self.fd = fd

    @classmethod
    def open(cls, path: Path) -> Folder:
        """Open a folder; links in its path are followed."""
        return cls(str(path), os.open(path, _OPEN) if _HANDLES else None)

    def inner(self, name: str) -> Folder:
        """Open a folder in this one.

        Raises:
            OSError: there is none, or it is a link.
        """
        path = os.path.join(self.path, name)  # noqa: PTH118
        if self.fd is None:
            if not stat.S_ISDIR(os.lstat(path).st_mode):
                raise NotADirectoryError(20, "Not a directory", path)
            return Folder(path, None)
        try:
            return Folder(path, os.open(name, _OPEN | _NO_LINK, dir_fd=self.fd))
        except OSError as error:
            error.filename = path
            raise

    def close(self) -> None:
        if self.fd is not None:
            os.close(self.fd)
            self.fd = None

    def __enter__(self) -> Folder:
        return self

    def __exit__(self, *reason: object) -> None:
        self.close()

    def at(self, name: str) -> str:
        """Return a path for functions that take `fd` as `dir_fd`."""
        return name if self.fd is not None else os.path.join(self.path, name)  # noqa: PTH118

    def find(self, name: str) -> os.stat_result | None:
        """Return what has that name; None if there is nothing. A link is not followed."""
        try:
            return os.stat(self.at(name), dir_fd=self.fd, follow_symlinks=False)
        except FileNotFoundError:
            return None

    def names(self) -> list[str]:
        """Return the names in it, sorted."""
        return sorted(os.listdir(self.path if self.fd is None else self.fd))  # noqa: PTH208

    def status(self) -> os.stat_result:
        """Return what the folder itself is."""
        return Path(self.path).stat() if self.fd is None else os.fstat(self.fd)

    def open_file(self, name: str, flags: int, mode: int = 0o600) -> int:
        """Open a file and return its descriptor; a link is not followed."""
        return os.open(self.at(name), flags | _NO_LINK | _BINARY, mode, dir_fd=self.fd)

    def move(self, name: str, to: Folder, new: str) -> None:
        """Move something to another folder. It replaces a file or a link of that name."""
        os.replace(self.at(name), to.at(new), src_dir_fd=self.fd, dst_dir_fd=to.fd)

    def set(self, mode: int | None, mtime: float | None) -> None:
        """Set the mode and time of the folder itself, as far as the user may."""
        where = self.path if self.fd is None else self.fd
        with contextlib.suppress(PermissionError):  # it belongs to somebody else
            if mode is not None:
                os.chmod(where, mode)  # noqa: PTH101
            if mtime is not None:
                os.utime(where if os.utime in os.supports_fd else self.path, (mtime, mtime))

    def set_inner(self, name: str, mode: int | None, mtime: float) -> None:
        """Set the mode and time of a file or folder in it, or with None the time of a link.

        Only for what nobody else can exchange for a link.
        """
        link = mode is None
        if link and os.utime not in os.supports_follow_symlinks:
            return
        os.utime(self.at(name), (mtime, mtime), dir_fd=self.fd, follow_symlinks=not link)
        if mode is not None:
            os.chmod(self.at(name), mode, dir_fd=self.fd)

    def own(self, name: str) -> Folder:
        """Open a folder that nobody else can exchange, whatever its mode; it is writable then."""
        os.chmod(self.at(name), 0o700, dir_fd=self.fd)
        return self.inner(name)

    def remove(self, name: str) -> None:
        """Remove a folder of this user with all that is in it, as far as possible."""
        with contextlib.suppress(OSError):
            with self.inner(name) as folder:
                if not folder.mine():
                    return
                folder.clear()
            os.rmdir(self.at(name), dir_fd=self.fd)

    def mine(self) -> bool:
        """Return whether it belongs to the user that labctl runs as."""
        return not hasattr(os, "geteuid") or self.status().st_uid == os.geteuid()

    def clear(self) -> None:
        """Remove all that is in it.

        No path grows, however deep it is: an inner folder moves up before it is emptied.
        """
        pending = list(self._empty(self))
        while pending:
            name = pending.pop()
            with self.own(name) as folder:
                pending += folder._empty(self)
            os.rmdir(self.at(name), dir_fd=self.fd)

    def _empty(self, top: Folder) -> Iterator[str]:
        """Remove the files in it, move its folders to `top`, and yield their new names."""
        for name in self.names():
            found = self.find(name)
            if found is None:
                continue
            if not stat.S_ISDIR(found.st_mode):
                if os.name == "nt":
                    Path(self.at(name)).chmod(stat.S_IWRITE)
                os.unlink(self.at(name), dir_fd=self.fd)
                continue
            os.chmod(self.at(name), 0o700, dir_fd=self.fd)  # or it could not be moved
            new = f"removed.{secrets.token_hex(8)}"
            os.rename(self.at(name), top.at(new), src_dir_fd=self.fd, dst_dir_fd=top.fd)
            yield new
