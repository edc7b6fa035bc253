"""Tar streams, and series of them, that hypothesis invents.

Whatever a node sends, a copy ends well or in a typed error, everything beside the destination stays
as it is, and nothing temporary is left.
"""

from __future__ import annotations

import io
import os
import shutil
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import event, given
from hypothesis import strategies as st

from labctl.errors import TransferError
from labctl.remote.transfer.entry import STAGE, Kind, Root
from labctl.remote.transfer.local_sink import FolderSink
from labctl.remote.transfer.tar_reader import Expected, members
from tests.attacks.sources import Pieces, TarSource
from tests.attacks.tars import END, base256, header, long_name, padded, pax, record

pytestmark = pytest.mark.skipif(os.name == "nt", reason="links need a right on Windows")

PARTS = st.sampled_from(["a", "b", "c", "l", "a", "b", "..", ".", "", "lab.yaml", ".labctl", "ü"])
# Mostly below the root that was asked for, or there would be little to see.
PATHS = st.builds(
    lambda first, rest: "/".join((first, *rest)),
    st.sampled_from(["x", "x", "x", "x", "./x", "y", "", "..", "/x", "/etc"]),
    st.lists(PARTS, max_size=4),
).map(lambda path: path.encode())
TARGETS = st.sampled_from(
    [
        *(b"a", b".", b"..", b"../a", b"b", b"x/a", b"", b"c:/x", b"/etc", b"..\\outside"),
        *(b"../../outside", b"../outside/key", b"a/../../outside", b"../..", b"b/../.."),
    ]
)
NUMBERS = st.one_of(
    st.integers(0, 0o7777),
    st.sampled_from([b"", b" ", b"-1", b"9", b"\xff" * 12, b"\x80" * 12, b"7" * 12, b"0x10"]),
    st.sampled_from([0, 1, -1, 5, 2**33, 2**63, 2**80, -(2**40)]).map(base256),
)
KINDS = st.sampled_from(
    [tarfile.REGTYPE] * 6
    + [tarfile.DIRTYPE] * 6
    + [tarfile.SYMTYPE] * 4
    + [tarfile.LNKTYPE] * 2
    + [tarfile.AREGTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE, tarfile.CONTTYPE, b"S", b"Q", b"g"]
)
VALUES = st.sampled_from([b"", b"nan", b"inf", b"-1", b"1e9", b"7", b"x/a", b"x/a\0b", b"9" * 30])
KEYS = st.sampled_from([b"path", b"linkpath", b"size", b"mtime", b"GNU.sparse.major", b"comment"])
DATA = st.sampled_from([b"", b"theirs", b"t" * 511, b"t" * 512, b"t" * 1300])

MODES = st.sampled_from([0o644, 0o755, 0o777, 0o000, 0o4755, 0o1777, 0o2775, 0o555])
NAMES = st.sampled_from(["a", "b", "c", "l", "outside", "key", "lab.yaml", ".labctl", "ü"])


@st.composite
def good_members(draw: st.DrawFn) -> list[bytes]:
    """A tree as tar might write it: folders first, each name once."""
    folders, used = ["x"], {"x"}
    members = []
    for _ in range(draw(st.integers(0, 9))):
        path = f"{draw(st.sampled_from(folders))}/{draw(NAMES)}"
        if path in used:
            continue
        used.add(path)
        kind = draw(st.sampled_from([b"0", b"0", b"5", b"5", b"5", b"2", b"2", b"1", b"6"]))
        link, data = b"", b""
        if kind == b"0":
            data = draw(DATA)
        elif kind == b"5":
            folders.append(path)
        elif kind == b"2":
            link = draw(TARGETS)
        elif kind == b"1":
            link = draw(st.sampled_from(sorted(used))).encode()
        name, mode = path.encode(), draw(MODES)
        members.append(header(name, kind, size=len(data), mode=mode, link=link) + padded(data))
    return members


@st.composite
def odd_members(draw: st.DrawFn) -> bytes:
    """A member with any numbers in it."""
    data = draw(DATA)
    size = draw(st.one_of(st.just(len(data)), NUMBERS))
    return header(
        draw(PATHS),
        draw(KINDS),
        size=size,
        mtime=draw(NUMBERS),
        mode=draw(NUMBERS),
        link=draw(TARGETS),
        prefix=draw(st.sampled_from([b"", b"", b"x", b"/etc", b".."])),
        checksum=draw(st.sampled_from([0, 0, 0, 0, 1])),
    ) + padded(data)


EXTENSIONS = st.one_of(
    st.builds(long_name, PATHS, st.sampled_from([b"L", b"K"])),
    st.builds(pax, st.builds(record, KEYS, st.one_of(VALUES, PATHS))),
    st.builds(lambda length, rest: pax(length + rest), st.binary(max_size=4), st.binary()),
)
PIECES = st.one_of(odd_members(), EXTENSIONS)
TOP = header(b"x", tarfile.DIRTYPE, mode=0o755)


@st.composite
def streams(draw: st.DrawFn) -> bytes:
    """A stream that is damaged now and then."""
    members = draw(good_members())
    if draw(st.integers(0, 3)) == 3:
        for piece in draw(st.lists(PIECES, max_size=3)):
            members.insert(draw(st.integers(0, len(members))), piece)
    data = b"".join((TOP, *members, END))
    damage = draw(st.sampled_from([*[""] * 6, "cut", "flip", "repeat", "drop"]))
    if not damage:
        return data
    at = draw(st.integers(0, len(data) - 1))
    if damage == "cut":
        return data[:at]
    if damage == "flip":
        return data[:at] + bytes([data[at] ^ draw(st.integers(1, 255))]) + data[at + 1 :]
    block = at // 512 * 512
    if damage == "repeat":
        return data[: block + 512] + data[block:]
    return data[:block] + data[block + 512 :]


THERE = st.lists(
    st.sampled_from(
        [
            *("x/", "x/a/", "x/b", "x/a/b/", "x/lab.yaml", "x/c -> a", "x/c -> nowhere"),
            *("x/l -> ../../outside", "x/a -> ../../outside", "x -> ../outside"),
            "x/b -> ../../outside/key",
        ]
    ),
    max_size=4,
)


@pytest.fixture(scope="module")
def quick() -> Iterator[Path]:
    """A folder in memory, where there is one."""
    memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    with tempfile.TemporaryDirectory(dir=memory) as folder:
        yield Path(folder)


def prepare(quick: Path, there: list[str]) -> Path:
    """Make the destination, with what the user or an earlier copy has put there."""
    shutil.rmtree(quick / "home", ignore_errors=True)
    target = quick / "home" / "target"
    (quick / "home" / "outside").mkdir(parents=True)
    target.mkdir()
    (quick / "home" / "outside" / "key").write_text("mine")
    for item in there:
        name, _, to = item.partition(" -> ")
        path = target / name
        if path.parent.is_symlink() or path.parent.is_file() or os.path.lexists(path):
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        if to:
            path.symlink_to(to)
        elif name.endswith("/"):
            path.mkdir()
        else:
            path.write_text("mine")
    return target


def outside(quick: Path) -> dict[str, object]:
    """Return all that a copy must leave alone."""
    found: dict[str, object] = {}
    for path in sorted((quick / "home").rglob("*")):
        if (quick / "home" / "target") not in (path, *path.parents):
            status = path.lstat()
            content = path.read_bytes() if path.is_file() else b""
            found[str(path)] = (status.st_mode, status.st_mtime_ns, status.st_uid, content)
    return found


@given(sent=st.lists(streams(), min_size=1, max_size=3), there=THERE)
def test_whatever_a_node_sends_stays_in_the_destination(
    quick: Path, sent: list[bytes], there: list[str]
) -> None:
    target = prepare(quick, there)
    before = outside(quick)
    sink = FolderSink(str(target))
    for data in sent:
        try:
            sink.take(TarSource(data, [Root("x", Kind.FOLDER)]), lambda size: None, into=True)
            event("copied")
        except TransferError as error:
            event(error.message.partition(":")[0].partition("/")[0])
    assert outside(quick) == before
    for path in target.rglob("*"):
        assert not path.name.startswith(STAGE)
        if path.name in ("lab.yaml", ".labctl"):
            assert "x/lab.yaml" in there
            assert path.read_text() == "mine"
        if not path.is_symlink():
            assert not path.is_file() or not path.stat().st_mode & 0o6000


@given(data=streams())
def test_a_stream_is_read_as_tarfile_reads_it_or_not_at_all(data: bytes) -> None:
    """tarfile is another reader of the same format, so no member is lost without an error."""
    skipped: list[str] = []
    expected = {"x": Expected(0, Root("x", Kind.FOLDER))}
    try:
        found = {
            entry.path: b"".join(map(bytes, entry.content()))
            for entry in members(
                Pieces(data), expected, "n", lambda key, why: skipped.append("/".join(key[1]))
            )
        }
    except TransferError:
        event("refused")
        return
    event("read")
    with tarfile.open(fileobj=io.BytesIO(data), errors="surrogateescape") as tar:
        names = {}
        for info in tar:
            parts = tuple(part for part in info.name.split("/") if part not in ("", "."))[1:]
            file = tar.extractfile(info) if info.isreg() else None
            names[parts] = file.read() if file else b""
    for key in skipped:
        names.pop(tuple(filter(None, key.split("/"))), None)
    assert found == names


@given(data=st.binary(max_size=3000))
def test_any_bytes_are_an_error(data: bytes) -> None:
    expected = {"x": Expected(0, Root("x", Kind.FOLDER))}
    with pytest.raises(TransferError):
        list(members(Pieces(data), expected, "n"))
