"""The file of an exported checkpoint, which a stranger may have written."""

from __future__ import annotations

import hashlib
import io
import json
import struct
import tarfile
from pathlib import Path
from typing import Any

import pytest

from labctl.errors import StateError, UsageError
from labctl.lab import checkpoint_file
from labctl.lab.checkpoint_file import extract, image_problem, manifest, virtual_size, write


def qcow2(size: int = 10 << 30, tail: bytes = b"disk" * 1000, **fields: int) -> bytes:
    """Return an image with a header of these values."""
    known = {
        **{"version": 3, "backing": 0, "backing_size": 0, "bits": 16, "size": size, "crypt": 0},
        **{"l1": 1, "l1_at": 0, "table": 0, "tables": 1, "snapshots": 0, "snapshots_at": 0},
        **{"features": 0},
    } | fields
    first = [*known.values()][:12]
    return (
        struct.pack(">4sIQIIQIIQQIIQ", b"QFI\xfb", *first)
        + struct.pack(">QQQII", known["features"], 0, 0, 4, 104)
        + tail
    )


def ignore(done: int, size: int) -> None:
    assert 0 <= done <= size


def images(folder: Path) -> dict[str, Path]:
    """Make the images of two nodes."""
    found = {}
    for node, tail in (("node1", b"a" * 700), ("node2", b"b" * 512)):
        found[node] = folder / f"{node}.img"
        found[node].write_bytes(qcow2(tail=tail))
    return found


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "chapter5.tar"
    write(path, "chapter5", images(tmp_path), ignore)
    return path


def test_what_was_written_is_read(tmp_path: Path, file: Path) -> None:
    about = manifest(file)
    assert about.checkpoint == "chapter5"
    assert [disk.node for disk in about.disks] == ["node1", "node2"]
    out = tmp_path / "out"
    out.mkdir()
    found = extract(file, out, ignore)
    for node, image in images(tmp_path).items():
        assert found[node].read_bytes() == image.read_bytes()
    assert virtual_size(found["node1"]) == 10 << 30
    with tarfile.open(file) as tar:  # any tar can list it
        assert tar.getnames() == ["checkpoint.json", "node1.qcow2", "node2.qcow2"]
    again = tmp_path / "again.tar"
    digest = write(again, "chapter5", images(tmp_path), ignore)
    assert digest == hashlib.sha256(file.read_bytes()).hexdigest()
    assert checkpoint_file.sha256_of(file) == digest


@pytest.mark.parametrize("at", range(0, 6000, 61))
def test_a_flipped_byte_is_found(tmp_path: Path, file: Path, at: int) -> None:
    data = bytearray(file.read_bytes())
    at = at % len(data)
    data[at] ^= 0x55
    file.write_bytes(data)
    out = tmp_path / "out"
    out.mkdir()
    try:
        found = extract(file, out, ignore)
    except UsageError:
        return
    # A byte that is part of no name, size or disk: padding, or the manifest's own spaces.
    for node, image in images(tmp_path).items():
        assert found[node].read_bytes() == image.read_bytes()


@pytest.mark.parametrize("keep", [0, 100, 512, 1024, 2000, 3000])
def test_a_file_that_ends_early_is_damaged(tmp_path: Path, file: Path, keep: int) -> None:
    file.write_bytes(file.read_bytes()[:keep])
    out = tmp_path / "out"
    out.mkdir()
    with pytest.raises(UsageError, match="cannot be used"):
        extract(file, out, ignore)


def packed(path: Path, about: Any, members: dict[str, bytes], **entry: Any) -> Path:
    """Write a file as a stranger may: any manifest, any members."""
    with tarfile.open(path, "w", format=tarfile.GNU_FORMAT) as tar:
        text = about if isinstance(about, bytes) else json.dumps(about).encode()
        for name, data in {"checkpoint.json": text, **members}.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            for key, value in entry.items() if name != "checkpoint.json" else ():
                setattr(info, key, value)
            tar.addfile(info, io.BytesIO(data))
    return path


def about(**fields: Any) -> dict[str, Any]:
    data = qcow2()
    disk = {"node": "a", "bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    disk |= {key: value for key, value in fields.items() if key in disk}
    rest = {key: value for key, value in fields.items() if key not in disk}
    return {"labctl": 1, "checkpoint": "c", "disks": [disk]} | rest


def test_a_strangers_file_that_is_right_is_read(tmp_path: Path) -> None:
    path = packed(tmp_path / "x.tar", about(), {"a.qcow2": qcow2()})
    out = tmp_path / "out"
    out.mkdir()
    assert extract(path, out, ignore) == {"a": out / "a.qcow2"}


@pytest.mark.parametrize(
    "wrong",
    [
        b"",
        b"{",
        b"[]",
        b"[" * 5000,
        b'"' + b"x" * (2 << 20) + b'"',
        about(labctl=2),
        about(checkpoint="../../etc/cron.d/x"),
        about(checkpoint=5),
        about(node="../a"),
        about(node="a/b"),
        about(node="-a"),
        about(node=""),
        about(bytes=-1),
        about(bytes=0),
        about(bytes=1 << 60),
        about(bytes=True),
        about(bytes="1"),
        about(sha256="x" * 64),
        about(sha256=""),
        about(disks=[]),
        about(disks={}),
        about(disks=[about()["disks"][0]] * 2),
        about(disks=[{**about()["disks"][0], "node": f"n{n}"} for n in range(101)]),
        about(disks=[{**about()["disks"][0], "path": "/etc"}]),
    ],
)
def test_a_manifest_that_is_wrong_is_refused(tmp_path: Path, wrong: Any) -> None:
    path = packed(tmp_path / "x.tar", wrong, {"a.qcow2": qcow2()})
    with pytest.raises(UsageError, match="cannot be used"):
        manifest(path)


@pytest.mark.parametrize(
    ("members", "entry"),
    [
        ({"b.qcow2": qcow2()}, {}),
        ({"/etc/passwd": qcow2()}, {}),
        ({"a.qcow2": qcow2() + b"more"}, {}),
        ({"a.qcow2": b""}, {"type": tarfile.SYMTYPE, "linkname": "/etc/shadow"}),
        ({"a.qcow2": b""}, {"type": tarfile.LNKTYPE, "linkname": "checkpoint.json"}),
        ({"a.qcow2": b""}, {"type": tarfile.DIRTYPE}),
        ({"a.qcow2": b""}, {"type": tarfile.FIFOTYPE}),
        ({"a" * 200 + ".qcow2": qcow2()}, {}),
        ({}, {}),
    ],
)
def test_only_the_promised_disks_are_read(
    tmp_path: Path, members: dict[str, bytes], entry: dict[str, Any]
) -> None:
    path = packed(tmp_path / "x.tar", about(), members, **entry)
    out = tmp_path / "out"
    out.mkdir()
    with pytest.raises(UsageError, match="cannot be used"):
        extract(path, out, ignore)
    assert not any(one.is_symlink() or one.is_dir() for one in out.iterdir())


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "not a qcow2"),
        (b"QFI\xfb", "not a qcow2"),
        (b"KDMV" + bytes(200), "not a qcow2"),
        (qcow2(version=2), "version 3"),
        (qcow2(backing=104, backing_size=11), "another file"),
        (qcow2(features=1 << 2), "another file"),  # its data is in a file of another name
        (qcow2(features=1), "repair"),
        (qcow2(features=1 << 40), "another file"),
        (qcow2(crypt=2), "a key"),
        (qcow2(snapshots=1), "snapshots"),
        (qcow2(size=0), "size"),
        (qcow2(size=1 << 60), "size"),
        (qcow2(), ""),
        (qcow2(features=1 << 3), ""),  # compressed by zstd
    ],
)
def test_an_image_that_needs_anything_else_is_refused(
    tmp_path: Path, data: bytes, why: str
) -> None:
    (tmp_path / "disk").write_bytes(data)
    problem = image_problem(tmp_path / "disk")
    assert why in problem if why else problem == ""
    if why:
        disk = {"bytes": max(1, len(data)), "sha256": hashlib.sha256(data).hexdigest()}
        path = packed(tmp_path / "x.tar", about(**disk), {"a.qcow2": data})
        (tmp_path / "out").mkdir()
        with pytest.raises(UsageError):
            extract(path, tmp_path / "out", ignore)


def test_a_file_that_cannot_be_opened_or_written_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be read"):
        manifest(tmp_path / "missing")
    with pytest.raises(UsageError, match="cannot be read"):
        manifest(tmp_path)
    with pytest.raises(StateError, match="cannot be written"):
        write(tmp_path / "missing" / "x.tar", "c", images(tmp_path), ignore)


def test_an_export_that_is_interrupted_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(done: int, size: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write(tmp_path / "x.tar", "c", images(tmp_path), interrupt)
    assert [path.name for path in tmp_path.glob("x.tar*")] == []
