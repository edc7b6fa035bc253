"""Tar streams that no tar wrote: each ends in one typed error, quickly and in little memory."""

from __future__ import annotations

import io
import itertools
import tarfile
import time
import tracemalloc
from collections.abc import Callable, Iterator

import pytest

from labctl.errors import TransferError
from labctl.remote.transfer.entry import MAX_DEPTH, Entry, Kind, Root
from labctl.remote.transfer.tar_reader import Expected, members
from labctl.remote.transfer.tar_stream import MAX_PADDING, MAX_PATH, MAX_PAX, MAX_TIME
from tests.attacks.sources import Pieces
from tests.attacks.tars import (
    END,
    base256,
    file,
    folder,
    header,
    long_name,
    padded,
    pax,
    record,
)

X = {"x": Expected(0, Root("x", Kind.FOLDER))}
TOP = folder(b"x")


def read(data: bytes) -> dict[str, bytes]:
    """Return the content of each file and the name of everything else."""
    return {
        "/".join(entry.path): b"".join(map(bytes, entry.content()))
        for entry in members(Pieces(data), X, "docker-node1")
    }


def entries(data: bytes) -> list[Entry]:
    return list(members(Pieces(data), X, "docker-node1"))


DAMAGED = {
    "a time that is not a number": TOP + pax(record(b"mtime", b"nan")) + file(b"x/f") + END,
    "an infinite time": TOP + pax(record(b"mtime", b"inf")) + file(b"x/f") + END,
    "a time with an exponent": TOP + pax(record(b"mtime", b"1e400")) + file(b"x/f") + END,
    "a time of many digits": TOP + pax(record(b"mtime", b"9" * 5000)) + file(b"x/f") + END,
    "a time after all others": TOP + file(b"x/f", mtime=base256(2**80)) + END,
    "a time before all others": TOP + file(b"x/f", mtime=base256(-(2**80))) + END,
    "a time out of range": TOP + file(b"x/f", mtime=base256(MAX_TIME + 1)) + END,
    "an empty time": TOP + pax(record(b"mtime", b"")) + file(b"x/f") + END,
    "a pax header of 10^21 bytes": TOP
    + header(b"pax", tarfile.XHDTYPE, size=base256(10**21))
    + END,
    "a pax header above the limit": TOP
    + header(b"pax", tarfile.XHDTYPE, size=MAX_PAX + 1)
    + bytes(MAX_PAX + 512),
    "a pax header of negative size": TOP
    + header(b"pax", tarfile.XHDTYPE, size=base256(-512))
    + END,
    "an empty pax header": TOP + pax() + file(b"x/f") + END,
    "a pax record of 10^21 bytes": TOP + pax(b"1%s path=x/f\n" % (b"0" * 21)) + file(b"x/f"),
    "a pax record of 10^5000 bytes": TOP + pax(b"9" * 5000 + b" path=x/f\n") + file(b"x/f"),
    "a pax record longer than its header": TOP + pax(b"99 path=x/f\n") + file(b"x/f") + END,
    "a pax record of no bytes": TOP + pax(b"0 path=x/f\n") + file(b"x/f") + END,
    "a pax record that ends in its own length": TOP + pax(b"2 path=x/f\n") + file(b"x/f") + END,
    "a pax record of negative length": TOP + pax(b"-9 path=x/f\n") + file(b"x/f") + END,
    "a pax record without a length": TOP + pax(b"path=x/f\n") + file(b"x/f") + END,
    "a pax record of Arabic digits": TOP + pax("١٢ path=x/f\n".encode()) + file(b"x/f") + END,
    "a pax size that is not a number": TOP + pax(record(b"size", b"1e3")) + file(b"x/f") + END,
    "a negative pax size": TOP + pax(record(b"size", b"-1")) + file(b"x/f") + END,
    "a pax size of 10^19": TOP + pax(record(b"size", b"9" * 19)) + file(b"x/f") + END,
    "a NUL in a path": TOP + pax(record(b"path", b"x/f\0g")) + file(b"x/f") + END,
    "a NUL in a link": TOP
    + pax(record(b"linkpath", b"f\0g"))
    + header(b"x/l", tarfile.SYMTYPE)
    + END,
    "a path above the limit": TOP
    + pax(record(b"path", b"x/" + b"f" * MAX_PATH))
    + file(b"f")
    + END,
    "a long name above the limit": TOP + long_name(b"x/" + b"f" * 5000) + file(b"f") + END,
    "two long names": TOP + long_name(b"x/f") * 2 + file(b"x/f") + END,
    "2,000 long names": TOP + long_name(b"x/f") * 2000 + file(b"x/f") + END,
    "2,000 long links": TOP + long_name(b"x", tarfile.GNUTYPE_LONGLINK) * 2000 + END,
    "2,000 pax headers": TOP + pax(record(b"path", b"x/f")) * 2000 + file(b"x/f") + END,
    "long names and pax headers in turn": TOP
    + (long_name(b"x/f") + pax(record(b"path", b"x/f"))) * 1000
    + file(b"x/f")
    + END,
    "a long name without a file": TOP + long_name(b"x/f") + END,
    "a global pax header": TOP + header(b"g", tarfile.XGLTYPE, size=0) + file(b"x/f") + END,
    "a long name that says 8 GB": TOP + header(b"l", tarfile.GNUTYPE_LONGNAME, size=8 << 30) + END,
    "a file that says 8 GB": TOP + header(b"x/f", size=8 << 30) + bytes(5000),
    "a file that says 2^70 bytes": TOP + header(b"x/f", size=base256(2**70)) + bytes(5000),
    "a file of negative size": TOP + header(b"x/f", size=base256(-1)) + END,
    "a file of negative octal size": TOP + header(b"x/f", size=b"-0000000001\0") + END,
    "a size that is not octal": TOP + header(b"x/f", size=b"0000000000x\0") + END,
    "a wrong checksum at first": header(b"x", tarfile.DIRTYPE, checksum=1) + END,
    "a wrong checksum in mid-stream": TOP
    + header(b"x/f", checksum=1)
    + file(b"x/g", b"lost")
    + END,
    "text in mid-stream": TOP + b"tar: warning".ljust(512) + file(b"x/g", b"lost") + END,
    "a block of zeros in mid-stream": TOP + bytes(512) + file(b"x/g", b"lost") + END,
    "data after the end": TOP + END + file(b"x/g", b"lost") + END,
    "no end of zeros": TOP + bytes(MAX_PADDING + 1024),
    "an end of one block": TOP + bytes(512),
    "no end": TOP + file(b"x/f", b"whole"),
    "half a header": TOP + file(b"x/f")[:100],
    "half a content": TOP + file(b"x/f", b"y" * 5000)[:3000],
    "a content without its padding": TOP + file(b"x/f", b"y" * 513)[:1025],
    "an unknown type": TOP + header(b"x/f", b"Q") + END,
    "a volume's name": TOP + header(b"x/f", b"V") + END,
    "a listing of a folder": TOP + header(b"x/f", b"D") + END,
    "a folder beyond the limit": TOP
    + b"".join(long_name(b"x" + b"/d" * depth) + folder(b"d") for depth in range(1, MAX_DEPTH + 2))
    + END,
}


@pytest.mark.parametrize("name", DAMAGED)
def test_what_is_damaged_is_one_error(name: str) -> None:
    began = time.process_time()
    tracemalloc.start()
    try:
        with pytest.raises(TransferError):
            read(DAMAGED[name])
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 8 * MAX_PAX
    assert time.process_time() - began < 5


class Endless:
    """A stream that starts with `data` and goes on for ever."""

    def __init__(self, data: bytes, more: Callable[[int], bytes]) -> None:
        self._parts = itertools.chain([data], map(more, itertools.count()))

    def recv(self) -> bytes:
        return next(self._parts)


@pytest.mark.parametrize(
    ("start", "more"),
    [
        (TOP, lambda n: long_name(b"x/f")),
        (TOP, lambda n: pax(record(b"comment", b"c" * 5000))),
        (TOP, lambda n: bytes(5000)),
        (TOP, lambda n: bytes([n % 255 + 1]) * 5000),
        (TOP + header(b"l", tarfile.GNUTYPE_LONGNAME, size=base256(2**60)), lambda n: bytes(5000)),
        (b"", lambda n: b"Welcome to docker-node1!\n"),
        (TOP, lambda n: long_name(b"x" + b"/d" * (n + 1)) + folder(b"d")),
    ],
)
def test_a_stream_without_an_end_ends(start: bytes, more: Callable[[int], bytes]) -> None:
    with pytest.raises(TransferError):
        for _ in members(Endless(start, more), X, "docker-node1"):
            pass


def test_files_without_an_end_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("labctl.remote.transfer.tar_reader.MAX_ENTRIES", 5000)
    endless = members(Endless(TOP, lambda n: file(b"x/%d" % n)), X, "docker-node1")
    assert len(list(itertools.islice(endless, 5000))) == 5000
    with pytest.raises(TransferError, match="more than 5,000 entries") as caught:
        next(endless)
    assert "in parts" in caught.value.hint


def test_long_names_without_an_end_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("labctl.remote.transfer.tar_reader.MAX_KEPT", 1 << 20)

    def more(number: int) -> bytes:
        return long_name(b"x/%d" % number + b"n" * 4000) + file(b"n")

    with pytest.raises(TransferError, match=r"more than 2\d\d entries"):
        for _ in members(Endless(TOP, more), X, "docker-node1"):
            pass


def test_what_is_unusual_and_right_is_read() -> None:
    name = "ü 🐳".encode()
    long = b"n" * 250
    data = (
        TOP
        + file(b"x/octal", b"1")
        + header(b"x/256", size=base256(1)) + padded(b"2")
        + pax(record(b"path", b"x/" + name), record(b"size", b"1"), record(b"comment", b"\0\xff"))
        + header(b"other", size=7) + padded(b"3")
        + long_name(b"x/" + long) + file(b"n", b"4")
        + header(b"x/seven", b"7", size=1) + padded(b"5")
        + header(b"ustar", prefix=b"x", magic=b"ustar\0" b"00", size=1) + padded(b"6")
        + bytes(1024 + 9000)
    )  # fmt: skip
    assert read(data) == {
        "": b"",
        "octal": b"1",
        "256": b"2",
        "ü 🐳": b"3",
        long.decode(): b"4",
        "seven": b"5",
        "ustar": b"6",
    }


@pytest.mark.parametrize(
    ("written", "seconds"),
    [
        (pax(record(b"mtime", b"-0.5")) + file(b"x/f"), -1),
        (pax(record(b"mtime", b"-7.000")) + file(b"x/f"), -7),
        (pax(record(b"mtime", b"7.999999999")) + file(b"x/f"), 7),
        (file(b"x/f", mtime=base256(-86400)), -86400),
        (file(b"x/f", mtime=base256(2**36)), 2**36),
        (file(b"x/f", mtime=base256(-MAX_TIME)), -MAX_TIME),
    ],
)
def test_times_before_1970_and_far_away(written: bytes, seconds: int) -> None:
    assert entries(TOP + written + END)[1].mtime == seconds


@pytest.mark.parametrize("form", [tarfile.GNU_FORMAT, tarfile.PAX_FORMAT, tarfile.USTAR_FORMAT])
def test_what_python_writes_is_read(form: int) -> None:
    """Formats that tars of other systems write."""
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w", format=form) as tar:
        for name, kind, data in content():
            info = tarfile.TarInfo(name)
            info.type, info.size, info.mtime = kind, len(data), 1_234_567_890
            tar.addfile(info, io.BytesIO(data))
    found = read(target.getvalue())
    assert found == {name[2:]: data for name, _, data in content()}


def content() -> Iterator[tuple[str, bytes, bytes]]:
    yield "x", tarfile.DIRTYPE, b""
    yield "x/a", tarfile.REGTYPE, b"a" * 511
    yield "x/ü", tarfile.REGTYPE, b"b" * 512
    yield "x/d", tarfile.DIRTYPE, b""
    yield f"x/d/{'n' * 90}", tarfile.REGTYPE, b"c" * 1025
