"""Boxes that Vagrant has on this computer, and box files made of them.

A box that labctl baked has a version made of its content. Providers tell boxes apart by their
version, so a changed box is never mistaken for the one before, and the same box is stored once.
"""

from __future__ import annotations

import hashlib
import os
import tarfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from labctl.errors import StateError
from labctl.messages import msg

Progress = Callable[[int, int], object]
"""Called with the bytes that are done, and with the bytes of the whole."""

_CHUNK = 4 << 20

_ESCAPES = {"/": "-VAGRANTSLASH-", ":": "-VAGRANTCOLON-"}
"""How Vagrant writes a box's name as the name of a folder (lib/vagrant/box_collection.rb)."""


@dataclass(frozen=True, slots=True)
class Box:
    """A box that Vagrant has.

    Parameters:
        name: its name, as `box` of lab.yaml has it.
        version: its version.
        provider: the provider that it is for.
        folder: where Vagrant keeps its files.
    """

    name: str
    version: str
    provider: str
    folder: Path

    @property
    def digest(self) -> str:
        """The SHA-256 of its content; reads all of it."""
        return digest_of(self.folder)

    @property
    def size(self) -> int:
        """Bytes of its files."""
        return sum(path.stat().st_size for path in _files(self.folder))

    @property
    def intact(self) -> bool:
        """Whether its content is what its version says; false for a box that labctl did not bake.

        Reads all of it.
        """
        return self.version == version_of(self.digest)


@dataclass(frozen=True, slots=True)
class BoxFile:
    """A box as one file, for `vagrant box add` on this computer or another.

    Parameters:
        box: the box that it holds.
        path: the file.
        size: its bytes.
        sha256: its SHA-256.
    """

    box: Box
    path: Path
    size: int
    sha256: str


def home(environment: Mapping[str, str] = os.environ) -> Path:
    """Return Vagrant's folder of the current user."""
    chosen = environment.get("VAGRANT_HOME")
    return Path(chosen).expanduser() if chosen else Path.home() / ".vagrant.d"


def installed(
    name: str, provider: str = "", environment: Mapping[str, str] = os.environ
) -> list[Box]:
    """Return the versions of a box that Vagrant has, the newest first.

    Parameters:
        name: the box's.
        provider: only those for this provider; empty: for any.
        environment: where VAGRANT_HOME is looked up.
    """
    folder = home(environment) / "boxes" / _folder_name(name)
    found = [
        Box(name, path.parts[-3], path.parts[-2], path.parent)
        for path in folder.glob(f"*/{provider or '*'}/metadata.json")
    ]
    return sorted(found, key=lambda box: _order(box.version), reverse=True)


def find(
    name: str,
    provider: str,
    version: str | None = None,
    environment: Mapping[str, str] = os.environ,
) -> Box | None:
    """Return a box that Vagrant has; None if it has none of that name for that provider.

    Parameters:
        name: the box's.
        provider: the provider's.
        version: its version; None: the newest.
        environment: where VAGRANT_HOME is looked up.
    """
    boxes = installed(name, provider, environment)
    return next((box for box in boxes if version in (None, box.version)), None)


def version_of(digest: str) -> str:
    """Return the version of a box with that content: a number, because Vagrant sorts versions.

    Parameters:
        digest: its SHA-256 in hexadecimal.
    """
    return f"0.{int(digest[:15], 16)}"


def digest_of(folder: Path, progress: Progress = lambda done, size: None) -> str:
    """Return the SHA-256 of a box's content, in hexadecimal.

    It covers the names and the content of all files, and nothing else, so it is the same on every
    computer.
    """
    files = _files(folder)
    size, done = sum(path.stat().st_size for path in files), 0
    total = hashlib.sha256()
    for path in files:
        one = hashlib.sha256()
        with path.open("rb") as file:
            while chunk := file.read(_CHUNK):
                one.update(chunk)
                done += len(chunk)
                progress(done, size)
        total.update(f"{one.hexdigest()}  {path.relative_to(folder).as_posix()}\n".encode())
    return total.hexdigest()


def write(box: Box, path: Path, progress: Progress = lambda done, size: None) -> BoxFile:
    """Write a box to a file that `vagrant box add` reads. The same box gives the same bytes.

    The file appears under its name when it is complete.

    Parameters:
        box: the box.
        path: the file; an existing one is replaced.
        progress: see `Progress`.

    Raises:
        StateError: it cannot be written, for example on a full disk; no partial file is left.
    """
    part = path.with_name(f"{path.name}.part")
    size, done = box.size, 0
    total = hashlib.sha256()

    class Counting:
        """The file, with the digest of what is written to it."""

        def write(self, data: bytes) -> int:
            nonlocal done
            total.update(data)
            done += len(data)
            progress(min(done, size), size)
            return file.write(data)

    try:
        with part.open("wb") as file:
            with tarfile.open(fileobj=Counting(), mode="w|", format=tarfile.GNU_FORMAT) as tar:  # type: ignore[call-overload]
                for member in _files(box.folder):
                    _add(tar, member, member.relative_to(box.folder).as_posix())
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except OSError as error:
        raise StateError(
            msg("{path} cannot be written: {reason}", path=path, reason=error.strerror),
            hint="free disk space or grant write access, then run the same command again",
        ) from error
    finally:
        part.unlink(missing_ok=True)
    return BoxFile(box, path, path.stat().st_size, total.hexdigest())


def _add(tar: tarfile.TarFile, path: Path, name: str) -> None:
    """Add a file to a box without anything about this computer: no owner, mode or time."""
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode = path.stat().st_size, 0o644
    with path.open("rb") as file:
        tar.addfile(entry, file)


def _files(folder: Path) -> list[Path]:
    """Return the files of a box, metadata.json first, because Vagrant reads that one first."""
    files = [path for path in folder.rglob("*") if path.is_file() and not path.is_symlink()]
    return sorted(files, key=lambda path: (path.name != "metadata.json", path.as_posix()))


def _folder_name(name: str) -> str:
    for character, written in _ESCAPES.items():
        name = name.replace(character, written)
    return name


def _order(version: str) -> list[tuple[int, int | str]]:
    """Return what versions are sorted by: numbers by size, and after words."""
    return [(1, int(part)) if part.isdecimal() else (0, part) for part in version.split(".")]
