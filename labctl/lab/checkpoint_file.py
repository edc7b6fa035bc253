"""A checkpoint as one file: a manifest, and the disk of each node.

A file that is read is a stranger's. Its sizes are limited before they are believed, its names are
checked, nothing in it is a path or a program, and every disk has to match its SHA-256. The file is
a tar archive without directories, links or extended headers, so that other tools can list it.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import struct
import tarfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from io import BufferedReader
from pathlib import Path
from typing import IO, Any

from labctl.config import patterns
from labctl.errors import StateError, UsageError
from labctl.machines.box import Progress
from labctl.messages import msg
from labctl.storage import build

_BLOCK = tarfile.BLOCKSIZE
_CHUNK = 4 << 20
_MANIFEST = "checkpoint.json"
_MOST_MANIFEST = 1 << 20
_MOST_NODES = 100
_MOST_DISK = 1 << 44
"""Bytes of the largest disk: 16 TiB."""

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")
"""A checkpoint's name."""

_QCOW2 = struct.Struct(">4sIQIIQIIQQIIQ")
_V3 = struct.Struct(">QQQII")
_PLAIN = 1 << 3 | 1 << 4
"""Features of a disk that need no other file: another compression, and smaller clusters."""


@dataclass(frozen=True, slots=True)
class Disk:
    """The disk of a node in the file.

    Parameters:
        node: the node's name.
        bytes: the size of its image.
        sha256: the SHA-256 of its image.
    """

    node: str
    bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Manifest:
    """What the file holds.

    Parameters:
        checkpoint: the checkpoint's name.
        disks: the disks, in the file's order.
    """

    checkpoint: str
    disks: tuple[Disk, ...]


def write(path: Path, checkpoint: str, images: Mapping[str, Path], progress: Progress) -> str:
    """Write the file and return its SHA-256. It appears under its name when it is complete.

    Parameters:
        path: the file, which does not exist.
        checkpoint: the checkpoint's name.
        images: the disk's image of each node.
        progress: see `Progress`.

    Raises:
        StateError: it cannot be written; no partial file is left.
    """
    disks = [Disk(node, image.stat().st_size, sha256_of(image)) for node, image in images.items()]
    size, done = sum(disk.bytes for disk in disks), 0
    about = {"labctl": 1, "checkpoint": checkpoint, "disks": [asdict(disk) for disk in disks]}
    text = (json.dumps(about, indent=2) + "\n").encode()
    part = path.with_name(f"{path.name}.part")
    whole = hashlib.sha256()
    try:
        with part.open("xb") as file:

            def put(data: bytes) -> None:
                whole.update(data)
                file.write(data)

            put(_header(_MANIFEST, len(text)) + text + _padding(len(text)))
            for disk in disks:
                put(_header(f"{disk.node}.qcow2", disk.bytes))
                with images[disk.node].open("rb") as image:
                    while chunk := image.read(_CHUNK):
                        put(chunk)
                        done += len(chunk)
                        progress(done, size)
                put(_padding(disk.bytes))
            put(bytes(2 * _BLOCK))
            file.flush()
            os.fsync(file.fileno())
        part.rename(path)
    except FileExistsError:
        raise StateError(
            msg("{path} exists", path=part), hint=msg("remove it if no other labctl writes it")
        ) from None
    except OSError as error:
        part.unlink(missing_ok=True)
        raise StateError(
            msg("{path} cannot be written: {reason}", path=path, reason=error.strerror),
            hint="free disk space or grant write access, then run the same command again",
        ) from error
    except BaseException:
        part.unlink(missing_ok=True)
        raise
    return whole.hexdigest()


def manifest(path: Path) -> Manifest:
    """Return what a file says that it holds.

    Raises:
        UsageError: it is not a checkpoint, or claims something impossible.
    """
    with _opened(path) as file:
        return _manifest(file, path)


def extract(path: Path, folder: Path, progress: Progress) -> dict[str, Path]:
    """Write the disks of a file to a folder, and return the image of each node.

    Parameters:
        path: the file.
        folder: an empty one of labctl's own.
        progress: see `Progress`.

    Raises:
        UsageError: the file is damaged, or a disk is not what the manifest says.
    """
    images: dict[str, Path] = {}
    done = 0
    with _opened(path) as file:
        about = _manifest(file, path)
        size = sum(disk.bytes for disk in about.disks)
        for disk in about.disks:
            if _member(file, path) != (f"{disk.node}.qcow2", disk.bytes):
                raise _damaged(path, msg("the disk of {node} is missing", node=disk.node))
            image = folder / f"{disk.node}.qcow2"
            seen = hashlib.sha256()
            with image.open("xb") as out:
                left = disk.bytes
                while left:
                    chunk = file.read(min(left, _CHUNK))
                    if not chunk:
                        raise _damaged(path, msg("it ends too early"))
                    seen.update(chunk)
                    out.write(chunk)
                    left -= len(chunk)
                    done += len(chunk)
                    progress(done, size)
            file.read(len(_padding(disk.bytes)))
            if seen.hexdigest() != disk.sha256:
                raise _damaged(path, msg("the disk of {node} was changed", node=disk.node))
            images[disk.node] = image
    for node, image in images.items():
        if why := image_problem(image):
            raise _damaged(path, msg("the disk of {node}: {why}", node=node, why=why))
    return images


def image_problem(image: Path) -> str:
    """Return why a disk's image cannot be used; empty if it can.

    QEMU would open another file that the image names, whatever it is.
    """
    with image.open("rb") as file:
        data = file.read(_QCOW2.size + _V3.size)
    if len(data) < _QCOW2.size + _V3.size or data[:4] != b"QFI\xfb":
        return msg("it is not a qcow2 image")
    _magic, version, backing, _, _, size, crypt, *_, snapshots, _ = _QCOW2.unpack_from(data)
    (features, *_) = _V3.unpack_from(data, _QCOW2.size)
    if version != 3:
        return msg("it is not a qcow2 image of version 3")
    if backing or features & ~_PLAIN or crypt:
        return msg("it needs another file, a key or a repair")
    if snapshots or not 0 < size <= _MOST_DISK:
        return msg("it has snapshots, or an impossible size")
    return ""


def virtual_size(image: Path) -> int:
    """Return the bytes of the disk that an image is of."""
    with image.open("rb") as file:
        return int(_QCOW2.unpack(file.read(_QCOW2.size))[5])


def _opened(path: Path) -> BufferedReader:
    try:
        return path.open("rb")
    except OSError as error:
        raise UsageError(
            msg("{path} cannot be read: {reason}", path=path, reason=error.strerror),
            hint=msg("name a file that `labctl checkpoint export` wrote"),
        ) from error


def _manifest(file: IO[bytes], path: Path) -> Manifest:
    name, size = _member(file, path)
    if name != _MANIFEST or size > _MOST_MANIFEST:
        raise _damaged(path, msg("it is not a checkpoint"))
    data = file.read(size)
    file.read(len(_padding(size)))
    try:
        about = json.loads(data)
        disks = tuple(build(Disk, disk) for disk in about["disks"])
        checkpoint, form = about["checkpoint"], about["labctl"]
    except (ValueError, KeyError, TypeError, RecursionError):
        raise _damaged(path, msg("it is not a checkpoint")) from None
    if form != 1:
        raise _damaged(path, msg("a newer labctl wrote it"))
    if not isinstance(checkpoint, str) or not NAME.fullmatch(checkpoint):
        raise _damaged(path, msg("the name of the checkpoint is invalid"))
    _check_disks(disks, path)
    return Manifest(checkpoint, disks)


def _check_disks(disks: Sequence[Disk], path: Path) -> None:
    names = [disk.node for disk in disks]
    if not 0 < len(names) <= _MOST_NODES or len(set(names)) != len(names):
        raise _damaged(path, msg("its list of nodes is invalid"))
    for disk in disks:
        if patterns.LABEL.problem(disk.node) is not None:
            raise _damaged(path, msg("the name of a node is invalid"))
        if not 0 < disk.bytes <= _MOST_DISK or not re.fullmatch("[0-9a-f]{64}", disk.sha256):
            raise _damaged(path, msg("the size or SHA-256 of a disk is invalid"))


def _header(name: str, size: int) -> bytes:
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode = size, 0o600
    return entry.tobuf(tarfile.GNU_FORMAT)


def _member(file: IO[bytes], path: Path) -> tuple[str, int]:
    """Return the name and the size of the next file; only plain files are accepted."""
    block = file.read(_BLOCK)
    try:
        entry: Any = tarfile.TarInfo.frombuf(block, "ascii", "strict")
    except (tarfile.HeaderError, ValueError):
        raise _damaged(path, msg("it is not a checkpoint")) from None
    if entry.type != tarfile.REGTYPE or not 0 <= entry.size <= _MOST_DISK:
        raise _damaged(path, msg("it is not a checkpoint"))
    return entry.name, entry.size


def _padding(size: int) -> bytes:
    return bytes(-size % _BLOCK)


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file, in hexadecimal.

    Raises:
        UsageError: it cannot be read.
    """
    with _opened(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _damaged(path: Path, why: str) -> UsageError:
    return UsageError(
        msg("{path} cannot be used: {why}", path=path, why=why),
        hint=msg("compare its SHA-256 with the sender, and copy it again"),
    )
