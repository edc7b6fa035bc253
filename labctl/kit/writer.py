"""Writing a kit: a file has its name only when it is complete, and kit.json comes last."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import shutil
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO

from labctl.errors import KitError
from labctl.kit import manifest
from labctl.kit.folder import UNFINISHED, is_systems_own, sha256, walk
from labctl.kit.manifest import Box, Entry, Manifest
from labctl.messages import msg

FAT32_LIMIT = (4 << 30) - 1
"""Bytes of the largest file on FAT32."""

_SMALL = frozenset({"msdos", "vfat", "fat", "fat32"})


class KitWriter:
    """Writes a kit into a folder, new or of an earlier kit.

    Parameters:
        folder: the kit's folder; created if missing.
        limit: bytes of the largest file; larger ones are split. None: as the file system has it.
    """

    def __init__(self, folder: Path, limit: int | None = None) -> None:
        self.folder = folder
        self._limit = limit
        self._files: dict[str, Entry] = {}
        self._split: dict[str, tuple[str, ...]] = {}
        self.images: dict[str, str] = {}
        self.boxes: list[Box] = []
        self.downloads: dict[str, str] = {}
        self.written = 0

    def __enter__(self) -> KitWriter:
        with self._told(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
            names = [name for name in os.listdir(self.folder) if not is_systems_own(name)]  # noqa: PTH208
            if names and not {manifest.NAME, UNFINISHED} & set(names):
                raise KitError(
                    msg("{folder} is neither empty nor a kit", folder=self.folder),
                    hint="name a new folder; labctl creates it",
                )
            self._plain(self.folder / UNFINISHED)
            (self.folder / UNFINISHED).mkdir(exist_ok=True)
            if self._limit is None:
                self._limit = FAT32_LIMIT if _file_system(self.folder) in _SMALL else 1 << 60
        return self

    def __exit__(self, *_: object) -> None:
        pass

    # -- files

    def keep(self, path: str, digest: str) -> bool:
        """Return whether the folder has `path` with this digest already, and list it then."""
        entries: dict[str, Entry] = {}
        found = hashlib.sha256()
        for part in self._parts_here(path):
            with contextlib.suppress(OSError), self._place(part).open("rb") as file:
                entries[part] = _entry(file, found)
        if not entries or found.hexdigest() != digest:
            return False
        self._list(path, entries)
        return True

    def put(self, path: str, chunks: Iterable[bytes], digest: str = "") -> str:
        """Write a file, split if it is too large, and return the SHA-256 of its content.

        Parameters:
            path: in the kit.
            chunks: its content.
            digest: its expected SHA-256; empty: any.

        Raises:
            KitError: it cannot be written, or has another digest. No partial file has its name.
        """
        whole = hashlib.sha256()
        parts: list[tuple[Path, Entry]] = []
        limit = self._limit or 1 << 60
        with self._told(self.folder / path):
            for number, piece in enumerate(_pieces(chunks, limit)):
                part = self.partial(f"{path}.{number}")
                self._plain(part)
                found, size = hashlib.sha256(), 0
                with part.open("wb") as file:
                    for data in piece:
                        whole.update(data)
                        found.update(data)
                        size += len(data)
                        file.write(data)
                    _to_disk(file)
                parts.append((part, Entry(size, found.hexdigest())))
        if digest and whole.hexdigest() != digest:
            for part, _ in parts:
                part.unlink(missing_ok=True)
            raise KitError(
                msg("{path} has another digest than expected", path=path),
                hint="run the same command again; if it repeats, the source is damaged",
            )
        entries: dict[str, Entry] = {}
        for number, (part, entry) in enumerate(parts):
            name = path if len(parts) == 1 else f"{path}.{number + 1:03d}"
            with self._told(self.folder / name):
                target = self._place(name)
                target.parent.mkdir(parents=True, exist_ok=True)
                part.replace(target)
            entries[name] = entry
        self._list(path, entries)
        self.written += sum(entry.size for entry in entries.values())
        return whole.hexdigest()

    def adopt(self, path: str, part: Path, digest: str = "") -> str:
        """Take a partial file as complete, and return its SHA-256.

        Parameters:
            path: in the kit.
            part: as `partial` returned it; not larger than `fits` allows.
            digest: its expected SHA-256; empty: any.

        Returns:
            The digest; empty if it is not the expected one. Then the partial file is removed.
        """
        with self._told(self.folder / path):
            with part.open("r+b") as file:
                _to_disk(file)
                entry = _entry(file, hashlib.sha256())
            if digest and entry.sha256 != digest:
                part.unlink()
                return ""
            if self.keep(path, entry.sha256):
                part.unlink()
                return entry.sha256
            place = self._place(path)
            place.parent.mkdir(parents=True, exist_ok=True)
            part.replace(place)
        self._list(path, {path: entry})
        self.written += entry.size
        return entry.sha256

    def fits(self, size: int) -> bool:
        """Return whether a file of that size need not be split."""
        return size <= (self._limit or 1 << 60)

    def text(self, path: str, content: str | bytes) -> None:
        """Write a small file, unless it is there already."""
        data = content.encode() if isinstance(content, str) else content
        if not self.keep(path, hashlib.sha256(data).hexdigest()):
            self.put(path, [data])

    def copy(self, path: str, source: Path) -> None:
        """Copy a file of this computer, unless it is there already.

        Raises:
            KitError: it cannot be read, is not a regular file, or cannot be written.
        """
        with self._told(source, reading=True):
            if not stat.S_ISREG(source.stat().st_mode):
                raise OSError(errno.EINVAL, "not a regular file")
            with source.open("rb") as file:
                digest = sha256(file)
        if not self.keep(path, digest):
            with source.open("rb") as file:
                self.put(path, iter(lambda: file.read(1 << 20), b""), digest)

    def partial(self, path: str) -> Path:
        """Return where a partial file is kept, also after an interruption."""
        name = hashlib.sha256(path.encode()).hexdigest()[:32]
        return self.folder / UNFINISHED / name

    def finish(self, lab: str, made_by: str) -> tuple[str, int, int]:
        """Write kit.json, and remove what is no longer part of the kit.

        Returns:
            The kit's digest, the bytes of its files, and how many there are.
        """
        order = sorted(self._files)
        made = Manifest(
            lab,
            made_by,
            {path: self._files[path] for path in order},
            dict(sorted(self._split.items())),
            dict(sorted(self.images.items())),
            tuple(sorted(self.boxes, key=lambda box: (box.name, box.version, box.provider))),
            dict(sorted(self.downloads.items())),
        )
        return self.finish_as(made.text().encode()), made.size, len(made.files)

    def finish_as(self, content: bytes) -> str:
        """Write kit.json with that content, remove what it does not list, and return the digest."""
        listed = manifest.parse(content, str(self.folder / manifest.NAME)).files
        with self._told(self.folder):
            new = self.partial(manifest.NAME)
            with new.open("wb") as file:
                file.write(content)
                _to_disk(file)
            new.replace(self.folder / manifest.NAME)
            self._remove_others(listed)
            shutil.rmtree(self.folder / UNFINISHED)
        return manifest.digest(content)

    def _remove_others(self, listed: Iterable[str]) -> None:
        """Remove files and folders of an earlier kit that this one does not have."""
        for path, _ in walk(self.folder, [*listed, manifest.NAME, f"{UNFINISHED}/-"]):
            place = self.folder / path
            if path.startswith(f"{UNFINISHED}/"):
                continue
            if place.is_dir() and not place.is_symlink():
                shutil.rmtree(place)
            else:
                place.unlink()

    def _list(self, path: str, entries: dict[str, Entry]) -> None:
        if problem := manifest.path_problem(path):
            raise KitError(
                msg("{path} cannot be part of a kit: {why}", path=path, why=problem),
                hint="rename the file",
            )
        self._files |= entries
        if list(entries) != [path]:
            self._split[path] = tuple(entries)

    def _parts_here(self, path: str) -> list[str]:
        """Return the files of an earlier run that may hold `path`, whole or split."""
        if self._place(path).exists():
            return [path]
        parts: list[str] = []
        while (part := f"{path}.{len(parts) + 1:03d}") and self._place(part).exists():
            parts.append(part)
        return parts

    def _place(self, path: str) -> Path:
        """Return where a file is, and check that no link leads elsewhere."""
        place = self.folder.joinpath(*path.split("/"))
        for above in (*reversed(place.relative_to(self.folder).parents[:-1]), Path(path)):
            self._plain(self.folder / above)
        return place

    @staticmethod
    def _plain(path: Path) -> None:
        if path.is_symlink() or getattr(path, "is_junction", lambda: False)():
            raise KitError(
                msg("{path} is a link; a kit has none", path=path), hint="remove it first"
            )

    @contextlib.contextmanager
    def _told(self, path: Path, *, reading: bool = False) -> Iterator[None]:
        """Raise a `KitError` for an error of the file system."""
        try:
            yield
        except OSError as error:
            raise failed(path, error, reading=reading) from error


def failed(path: Path, error: OSError, *, reading: bool = False) -> KitError:
    """Return the error for a file that could not be written or read."""
    if reading:
        return KitError(
            msg("{path} cannot be read: {reason}", path=path, reason=error.strerror or error),
            hint="check that it exists and that you may read it",
        )
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        hint = msg("free space on that disk or take a larger one, then run the same command again")
    elif error.errno == errno.EFBIG:
        hint = msg("this file system takes no file of that size; add --split 4GiB")
    else:
        hint = msg(
            "check that the disk is plugged in and writable, then run the same command again"
        )
    return KitError(
        msg("{path} cannot be written: {reason}", path=path, reason=error.strerror or error),
        hint=hint,
    )


def _entry(file: BinaryIO, whole: hashlib._Hash) -> Entry:
    found, size = hashlib.sha256(), 0
    while data := file.read(1 << 20):
        found.update(data)
        whole.update(data)
        size += len(data)
    return Entry(size, found.hexdigest())


def _pieces(chunks: Iterable[bytes], limit: int) -> Iterator[Iterator[bytes]]:
    """Yield the content in pieces of `limit` bytes; each must be read before the next."""
    rest = iter(chunks)
    held = next(rest, b"")

    def piece() -> Iterator[bytes]:
        nonlocal held
        room = limit
        while held:
            yield held[:room]
            room, held = room - len(held[:room]), held[room:]
            if not held:
                held = next(rest, b"")
            if not room:
                return

    yield piece()
    while held:
        yield piece()


def _to_disk(file: BinaryIO) -> None:
    """Wait until a file is on its disk: a stick may be unplugged right after the command."""
    file.flush()
    os.fsync(file.fileno())


def _file_system(folder: Path) -> str:
    """Return the type of the file system that a folder is on; empty if it is unknown."""
    import psutil

    place = os.path.realpath(folder)
    best = ("", "")
    with contextlib.suppress(OSError, psutil.Error):
        for disk in psutil.disk_partitions(all=True):
            mount = os.path.normcase(disk.mountpoint)
            inside = os.path.normcase(place).startswith(mount)
            if inside and len(mount) >= len(best[0]):
                best = (mount, disk.fstype.lower())
    return best[1]
