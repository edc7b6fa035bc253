"""Entries that a node may send, and all that is refused."""

from __future__ import annotations

import io
import tarfile

import pytest

from labctl.errors import TransferError
from labctl.remote.transfer.entry import Entry, Kind, Root
from labctl.remote.transfer.tar_reader import Expected, members
from labctl.remote.transfer.tar_writer import TarWriter

FOLDER = {"labs": Expected(0, Root("labs", Kind.FOLDER))}
ONE_FILE = {"labs": Expected(0, Root("labs", Kind.FILE))}


class Channel:
    """Gives bytes in pieces of an awkward size."""

    def __init__(self, data: bytes, piece: int = 700) -> None:
        self._file = io.BytesIO(data)
        self._piece = piece

    def recv(self) -> bytes:
        return self._file.read(self._piece)


def entry(name: str, kind: bytes = tarfile.REGTYPE, link: str = "", data: bytes = b"") -> bytes:
    info = tarfile.TarInfo(name)
    info.type, info.linkname, info.size, info.mode, info.mtime = kind, link, len(data), 0o640, 5
    return info.tobuf(tarfile.GNU_FORMAT) + data + bytes(-len(data) % 512)


def folder(name: str) -> bytes:
    return entry(name, tarfile.DIRTYPE)


END = bytes(1024)


def read(data: bytes, expected: dict[str, Expected] = FOLDER) -> list[tuple[Entry, bytes]]:
    return [
        (member, b"".join(map(bytes, member.content())))
        for member in members(Channel(data), expected, "docker-node1")
    ]


def test_a_tree_is_read_with_all_that_it_holds() -> None:
    long = "n" * 300
    found = read(
        folder("./labs")
        + entry("./labs/a", data=b"x" * 512)
        + entry(f"./labs/{long}", data=b"y" * 1000)
        + folder("./labs/d")
        + entry("./labs/d/up", tarfile.SYMTYPE, "../a")
        + entry("./labs/d/same", tarfile.LNKTYPE, "./labs/a")
        + END
    )
    assert [(m.path, m.kind, data) for m, data in found] == [
        ((), Kind.FOLDER, b""),
        (("a",), Kind.FILE, b"x" * 512),
        ((long,), Kind.FILE, b"y" * 1000),
        (("d",), Kind.FOLDER, b""),
        (("d", "up"), Kind.LINK, b""),
        (("d", "same"), Kind.FILE, b""),
    ]
    assert found[1][0].mode == 0o640
    assert found[-1][0].same_as == (0, ("a",))


def test_content_that_is_not_asked_for_is_passed_over() -> None:
    data = folder("labs") + entry("labs/a", data=b"x" * 5000) + entry("labs/b", data=b"z") + END
    assert [m.path for m in members(Channel(data), FOLDER, "n")] == [(), ("a",), ("b",)]


@pytest.mark.parametrize(
    ("evil", "words"),
    [
        (entry("/etc/cron.d/x"), "absolute"),
        (folder("labs") + entry("labs/../../x"), "leads out of the folder"),
        (entry("../labs"), "leads out of the folder"),
        (entry(".bashrc"), "not requested"),
        (folder("labs") + entry("other/x"), "not requested"),
        (
            folder("labs") + entry("labs/l", tarfile.SYMTYPE, ".") + entry("labs/l/x", data=b"!"),
            "no folder that was sent",
        ),
        (folder("labs") + entry("labs/d/x"), "no folder that was sent"),
        (folder("labs") + entry("labs/h", tarfile.LNKTYPE, "/etc/shadow"), "absolute"),
        (folder("labs") + entry("labs/h", tarfile.LNKTYPE, "labs/none"), "second name"),
        (folder("labs") + entry("labs/a") + entry("labs/a"), "twice"),
        (folder("labs") + entry("labs/a") + folder("labs/a"), "twice"),
        (entry("labs"), "was a folder before"),
        (entry("labs", tarfile.SYMTYPE, "x"), "was a folder"),
        (folder("labs") + 2 * entry("labs/p", tarfile.FIFOTYPE), "twice"),
        (folder("labs") + entry("labs/p", tarfile.FIFOTYPE) + entry("labs/p"), "twice"),
        (
            folder("labs") + entry("labs/l", tarfile.SYMTYPE, "/etc") + entry("labs/l/x"),
            "no folder that was sent",
        ),
    ],
)
def test_what_could_lead_outside_is_refused(evil: bytes, words: str) -> None:
    with pytest.raises(TransferError, match=words):
        read(evil + END)


@pytest.mark.parametrize(
    ("skipped", "words"),
    [
        (entry("labs/x", tarfile.SYMTYPE, "/etc"), "points outside the copy, to /etc"),
        (entry("labs/x", tarfile.SYMTYPE, "../x"), "points outside"),
        (entry("labs/x", tarfile.SYMTYPE, "l2/../../x"), "points outside"),
        (entry("labs/x", tarfile.BLKTYPE), "neither a file nor a folder"),
        (entry("labs/x", tarfile.CHRTYPE), "neither a file nor a folder"),
        (entry("labs/x", tarfile.FIFOTYPE), "neither a file nor a folder"),
    ],
)
def test_what_cannot_be_copied_is_skipped_and_the_rest_comes(skipped: bytes, words: str) -> None:
    again = entry("labs/y", tarfile.LNKTYPE, "labs/x")  # its second name
    data = folder("labs") + skipped + again + entry("labs/z", data=b"z") + END
    told: dict[tuple[int, tuple[str, ...]], str] = {}
    found = [m.path for m in members(Channel(data), FOLDER, "n", told.__setitem__)]
    assert found == [(), ("z",)]
    assert list(told) == [(0, ("x",)), (0, ("y",))]
    assert all(words in why for why in told.values())


def test_a_root_cannot_be_skipped() -> None:
    with pytest.raises(TransferError, match="neither a file nor a folder"):
        read(entry("labs", tarfile.FIFOTYPE) + END, ONE_FILE)


def test_a_link_may_have_two_names() -> None:
    found = read(
        folder("labs")
        + entry("labs/a", tarfile.SYMTYPE, "b")
        + entry("labs/c", tarfile.LNKTYPE, "labs/a")
        + END
    )
    assert [(m.path, m.kind, m.link) for m, _ in found[1:]] == [
        (("a",), Kind.LINK, "b"),
        (("c",), Kind.LINK, "b"),
    ]


def test_a_requested_file_may_not_arrive_as_a_folder() -> None:
    with pytest.raises(TransferError, match="was a file before"):
        read(folder("labs") + END, ONE_FILE)


@pytest.mark.parametrize("cut", [1, 511, 512, 1100, 1536, 2000])
def test_a_stream_that_is_cut_off_is_an_error(cut: int) -> None:
    whole = folder("labs") + entry("labs/a", data=b"x" * 1024) + END
    expected = FOLDER | {"more": Expected(1, Root("more", Kind.FILE))}
    with pytest.raises(TransferError):
        read(whole[:cut], expected)


@pytest.mark.parametrize("data", [b"", b"no tar" * 200, b"Welcome to docker-node1!\n"])
def test_what_is_no_tar_is_an_error(data: bytes) -> None:
    with pytest.raises(TransferError):
        read(data)


def test_what_is_written_can_be_read() -> None:
    sent = bytearray()
    moved: list[int] = []
    writer = TarWriter(sent.extend, moved.append)
    content = bytes(range(256)) * 4000
    names = ["ü 🐳", "-n", "two\nlines", "caf\udce9", "x" * 250]
    writer.add(Entry(0, (), Kind.FOLDER, 0o755, 7))
    for name in names:
        writer.add(
            Entry(0, (name,), Kind.FILE, 0o604, 8, len(content), content=lambda: iter([content]))
        )
    writer.close()
    assert len(sent) % 10240 == 0
    assert sum(moved) == len(content) * len(names)
    expected = {
        "0": Expected(0, Root("x", Kind.FOLDER)),
        "end": Expected(1, Root("end", Kind.FILE)),
    }
    found = read(bytes(sent), expected)
    assert [m.path for m, _ in found] == [(), *((name,) for name in names), ()]
    assert all(data == content for _, data in found[1:-1])
    assert (found[1][0].mode, found[1][0].mtime) == (0o604, 8)
