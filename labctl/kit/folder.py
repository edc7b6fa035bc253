"""A kit's folder: its files are read only below it, follow no link, and are verified first."""

from __future__ import annotations

import contextlib
import hashlib
import os
import stat
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from labctl.errors import KitError
from labctl.kit import manifest
from labctl.kit.manifest import Entry, Manifest
from labctl.messages import msg
from labctl.remote.transfer.local_folder import Folder

CHUNK = 1 << 20
UNFINISHED = "kit.unfinished"
"""Folder of partial files; exists while `labctl kit make` works, and after an interruption."""

_SYSTEMS_OWN = frozenset(
    {
        ".ds_store", ".fseventsd", ".spotlight-v100", ".temporaryitems", ".trashes", "$recycle.bin",
        "desktop.ini", "lost+found", "system volume information", "thumbs.db",
    }
)  # fmt: skip
"""Names that Windows and macOS create on a stick by themselves; a kit never serves them."""

_COPY_AGAIN = "copy the kit again, or make it again with `labctl kit make`"


@dataclass(frozen=True, slots=True)
class Finding:
    """A difference between a kit's folder and its manifest: the path and what is wrong."""

    path: str
    message: str


class Kit:
    """A kit that is open for reading.

    Parameters:
        folder: where it is.
        content: of its kit.json.
    """

    def __init__(self, folder: Path, content: bytes) -> None:
        self.folder = folder
        self.content = content
        self.manifest: Manifest = manifest.parse(content, str(folder / manifest.NAME))
        self.digest = manifest.digest(content)
        self._verified: set[tuple[object, ...]] = set()

    @classmethod
    def open(cls, folder: Path) -> Kit:
        """Open a kit; only kit.json is read.

        Raises:
            KitError: the folder is not a kit, is unfinished, or its manifest is invalid.
        """
        try:
            with Folder.open(folder) as root:
                if root.find(manifest.NAME) is None:
                    raise _not_a_kit(folder, unfinished=root.find(UNFINISHED) is not None)
                with _regular(root, manifest.NAME) as file:
                    content = file.read(manifest.MOST_BYTES + 1)
        except OSError as error:
            raise _unreadable(folder, error) from error
        if len(content) > manifest.MOST_BYTES:
            raise KitError(
                msg("{path} is too large to be a manifest", path=folder / manifest.NAME),
                hint=_COPY_AGAIN,
            )
        return cls(folder, content)

    def size(self, path: str) -> int:
        """Return the size of a file of the kit, also of one that is split.

        Raises:
            KeyError: the kit does not have it.
        """
        parts = self.manifest.parts(path)
        if not parts:
            raise KeyError(path)
        return sum(self.manifest.files[part].size for part in parts)

    def read(self, path: str) -> bytes:
        """Return the verified content of a file."""
        return b"".join(self.chunks(path))

    def chunks(self, path: str, start: int = 0) -> Iterator[bytes]:
        """Yield the content of a file, split or not, from an offset on.

        Each file is read whole and compared with its digest before its first byte is returned.

        Raises:
            KeyError: the kit does not have it.
            KitError: it is missing, or differs from the manifest.
        """
        parts = self.manifest.parts(path)
        if not parts:
            raise KeyError(path)
        for part in parts:
            entry = self.manifest.files[part]
            if start >= entry.size:
                start -= entry.size
                continue
            with self._open(part, entry) as file:
                file.seek(start)
                left, start = entry.size - start, 0
                while left:
                    data = file.read(min(CHUNK, left))
                    if not data:
                        raise _damaged(self.folder, part, msg("it became shorter"))
                    left -= len(data)
                    yield data

    @contextlib.contextmanager
    def _open(self, path: str, entry: Entry) -> Iterator[BinaryIO]:
        """Open a verified file."""
        with contextlib.ExitStack() as stack:
            try:
                file = stack.enter_context(_inside(self.folder, path))
                state = _state(path, file)
                if state not in self._verified:
                    problem = difference(file, entry)
                    if problem:
                        raise _damaged(self.folder, path, problem)
                    self._verified.add(state)
            except OSError as error:
                raise _damaged(self.folder, path, _reason(error)) from error
            try:
                yield file
            except OSError as error:
                raise _damaged(self.folder, path, _reason(error)) from error

    def check(self, progress: Callable[[int], object] = lambda size: None) -> list[Finding]:
        """Compare every file with the manifest, and look for further files.

        Parameters:
            progress: called with the number of bytes read since the last call.
        """
        found = [Finding(path, message) for path, message in self._extra()]
        for path, entry in self.manifest.files.items():
            try:
                with _inside(self.folder, path) as file:
                    state = _state(path, file)
                    problem = difference(file, entry, progress)
            except OSError as error:
                found.append(Finding(path, _reason(error)))
                continue
            if problem:
                found.append(Finding(path, problem))
            else:
                self._verified.add(state)
        return sorted(found, key=lambda finding: finding.path)

    def _extra(self) -> Iterator[tuple[str, str]]:
        yield from walk(self.folder, {*self.manifest.files, manifest.NAME})


def walk(root: Path, known: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Yield the path of each thing below `root` that is not known, and what it is."""
    known = set(known)
    folders = {path.rsplit("/", n)[0] for path in known for n in range(1, path.count("/") + 1)}
    pending = [""]
    while pending:
        below = pending.pop()
        try:
            with _folder(root, below) as folder:
                for name in folder.names():
                    path = f"{below}/{name}".lstrip("/")
                    status = folder.find(name)
                    if status is None or is_systems_own(name):
                        continue
                    if stat.S_ISLNK(status.st_mode):
                        yield path, msg("it is a link")
                    elif stat.S_ISDIR(status.st_mode):
                        if path in folders:
                            pending.append(path)
                        else:
                            yield path, msg("the manifest does not list this folder")
                    elif path not in known:
                        yield path, msg("the manifest does not list it")
        except OSError as error:
            yield below or ".", _reason(error)


def is_systems_own(name: str) -> bool:
    """Return True for a name that an operating system creates on a stick by itself."""
    return name.lower() in _SYSTEMS_OWN or name.startswith("._")


def difference(
    file: BinaryIO, entry: Entry, progress: Callable[[int], object] = lambda size: None
) -> str:
    """Return how an open file differs from its entry; empty if it does not."""
    size = os.fstat(file.fileno()).st_size
    if size != entry.size:
        return msg("it has {size} bytes instead of {wanted}", size=size, wanted=entry.size)
    if sha256(file, progress) != entry.sha256:
        return msg("its content is not what the manifest says")
    return ""


def sha256(file: BinaryIO, progress: Callable[[int], object] = lambda size: None) -> str:
    """Return the SHA-256 of the rest of a file."""
    found = hashlib.sha256()
    while data := file.read(CHUNK):
        found.update(data)
        progress(len(data))
    return found.hexdigest()


def _state(path: str, file: BinaryIO) -> tuple[object, ...]:
    status = os.fstat(file.fileno())
    return (path, status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns)


@contextlib.contextmanager
def _folder(root: Path, path: str) -> Iterator[Folder]:
    """Open a folder below `root`, without following links."""
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(Folder.open(root))
        for part in path.split("/") if path else ():
            folder = stack.enter_context(folder.inner(part))
        yield folder


@contextlib.contextmanager
def _inside(root: Path, path: str) -> Iterator[BinaryIO]:
    """Open a regular file below `root`, without following links.

    Raises:
        OSError: there is none.
    """
    above, _, name = path.rpartition("/")
    with _folder(root, above) as folder, _regular(folder, name) as file:
        yield file


@contextlib.contextmanager
def _regular(folder: Folder, name: str) -> Iterator[BinaryIO]:
    status = folder.find(name)
    if status is None:
        raise FileNotFoundError(2, "it is missing")
    if not stat.S_ISREG(status.st_mode):
        # Opening a named pipe would wait for its other end.
        raise OSError(0, "it is a link" if stat.S_ISLNK(status.st_mode) else "it is not a file")
    with os.fdopen(folder.open_file(name, os.O_RDONLY), "rb") as file:
        yield file


def _reason(error: OSError) -> str:
    text = error.strerror or str(error)
    return msg(text) if error.errno == 0 else text


def _damaged(folder: Path, path: str, why: str) -> KitError:
    return KitError(
        msg("the kit's file {path} cannot be used: {why}", path=folder / path, why=why),
        hint=_COPY_AGAIN,
    )


def _unreadable(folder: Path, error: OSError) -> KitError:
    return KitError(
        msg("the kit {folder} cannot be read: {why}", folder=folder, why=_reason(error)),
        hint="check the path, and that the stick is plugged in",
    )


def _not_a_kit(folder: Path, *, unfinished: bool) -> KitError:
    if unfinished:
        return KitError(
            msg("the kit {folder} is unfinished", folder=folder),
            hint=msg("run `labctl kit make {folder}` again; it resumes", folder=folder),
        )
    return KitError(
        msg("{folder} is not a kit: it has no {name}", folder=folder, name=manifest.NAME),
        hint="name the folder that `labctl kit make` wrote",
    )
