"""Reads entries from a node's tar stream; none can lead outside the requested roots.

The node is not trusted, because it may be a student's. The reader refuses absolute names, ``..``,
links that point outside, devices, entries that were not requested, and entries below anything but a
folder of the same stream. So a sink only has to check what its file system can store.
"""

from __future__ import annotations

import tarfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

from labctl.errors import TransferError
from labctl.messages import msg
from labctl.remote.transfer.entry import Bytes, Entry, Kind, Root, link_stays

_Key = tuple[int, tuple[str, ...]]


class Readable(Protocol):
    """A stream of bytes."""

    def recv(self) -> bytes:
        """Wait for the next part and return it; an empty one only at the end."""
        ...


@dataclass(frozen=True, slots=True)
class Expected:
    """Root `index`, which the stream calls by a name of its own."""

    index: int
    root: Root


def members(stream: Readable, expected: Mapping[str, Expected], node: str) -> Iterator[Entry]:
    """Read members until the end of the archive.

    Parameters:
        stream: the tar.
        expected: by the first name of a member, what it belongs to. The empty name stands for a
            folder whose content has no name before it, and then it is the only one.
        node: for messages.

    Raises:
        TransferError: a member is refused, or the stream is cut off or no tar.
    """
    kinds: dict[_Key, Kind] = {}
    forward = _Forward(stream)
    file: Any = forward
    try:
        with tarfile.open(
            fileobj=file, mode="r:", encoding="utf-8", errors="surrogateescape"
        ) as opened:
            tar: Any = opened
            while info := tar.next():
                tar.members = []  # it would keep every member of a big tree
                member = _member(forward, info, expected, kinds)
                kinds[member.root, member.path] = member.kind
                yield member
    except tarfile.TarError as error:
        raise _cut_off(error) from error
    except _Refused as refused:
        raise TransferError(
            msg("refused what the node sent: {refused}", refused=refused),
            node=node,
            hint=refused.hint or msg("nothing was written here; look at that file on the node"),
        ) from None
    missing = [e.root.name for e in expected.values() if (e.index, ()) not in kinds]
    if missing:
        raise TransferError(
            msg("the node did not send {missing}", missing=", ".join(missing)), node=node
        )


class _Forward:
    """A stream as the file that tarfile wants: it may seek, but only forward, and one byte back.

    tarfile's own way to read a stream copies each byte of a file four times. Here it only ever
    reads headers, and blocks go from the stream to whoever writes them.
    """

    def __init__(self, stream: Readable) -> None:
        self._stream = stream
        self._ahead = memoryview(b"")
        self._last = b""
        self._at = 0

    def tell(self) -> int:
        return self._at

    def seek(self, to: int) -> int:
        if to == self._at - 1 and self._last:
            self._ahead = memoryview(self._last + bytes(self._ahead))
            self._last = b""
            self._at = to
        while self._at < to and (block := self._some(to - self._at)):
            self._took(block)
        return self._at

    def read(self, size: int) -> bytes:
        parts: list[Bytes] = []
        while size > 0 and (block := self._some(size)):
            self._took(block)
            parts.append(block)
            size -= len(block)
        return b"".join(parts)

    def blocks(self, size: int) -> Iterator[Bytes]:
        """Yield the next `size` bytes in blocks."""
        while size:
            block = self._some(size)
            if not block:
                raise _cut_off("unexpected end of data")
            self._took(block)
            size -= len(block)
            yield block

    def _some(self, size: int) -> memoryview:
        if not self._ahead:
            self._ahead = memoryview(self._stream.recv())
        block, self._ahead = self._ahead[:size], self._ahead[size:]
        return block

    def _took(self, block: memoryview) -> None:
        self._at += len(block)
        self._last = bytes(block[-1:])


class _Refused(Exception):
    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


def _member(
    stream: _Forward,
    info: tarfile.TarInfo,
    expected: Mapping[str, Expected],
    kinds: Mapping[_Key, Kind],
) -> Entry:
    found, path = _place(info.name, expected)
    key = (found.index, path)
    if key in kinds:
        raise _Refused(msg("{name!r} comes twice", name=info.name))
    if path and kinds.get((found.index, path[:-1])) is not Kind.FOLDER:
        raise _Refused(msg("{name!r} lies in no folder that was sent before it", name=info.name))
    mode, mtime = info.mode & 0o777, max(0, int(info.mtime))
    kind = Kind.FOLDER if info.isdir() else Kind.LINK if info.issym() else Kind.FILE
    if not path and kind is not found.root.kind:
        raise _Refused(
            msg(
                "{name!r} is a {kind} and was a {before} before",
                name=info.name,
                kind=kind,
                before=found.root.kind,
            )
        )
    if kind is Kind.FOLDER:
        return Entry(found.index, path, kind, mode, mtime)
    if kind is Kind.LINK:
        if not link_stays(len(path) - 1, info.linkname):
            raise _Refused(
                msg(
                    "the link {name!r} points outside, to {linkname!r}",
                    name=info.name,
                    linkname=info.linkname,
                ),
                "--follow copies what links lead to in their place",
            )
        return Entry(found.index, path, kind, mode, mtime, link=info.linkname)
    if info.islnk():
        return _hard_link(info, key, mode, mtime, expected, kinds)
    if not info.isreg():
        raise _Refused(
            msg("{name!r} is a device, or something else that is no file", name=info.name)
        )
    if info.issparse():
        raise _Refused(
            msg("{name!r} has holes that tar left out", name=info.name), "copy it without tar's -S"
        )
    content = partial(stream.blocks, info.size)
    return Entry(found.index, path, kind, mode, mtime, info.size, content=content)


def _cut_off(why: object) -> TransferError:
    return TransferError("what the node sent is cut off or no tar", details=str(why))


def _hard_link(
    info: tarfile.TarInfo,
    key: _Key,
    mode: int,
    mtime: int,
    expected: Mapping[str, Expected],
    kinds: Mapping[_Key, Kind],
) -> Entry:
    """Return a second name of a file as a member that says which member it is the same as."""
    same, path = _place(info.linkname, expected)
    if kinds.get((same.index, path)) is not Kind.FILE:
        raise _Refused(
            msg("{name!r} is a second name of something that was not sent", name=info.name)
        )
    return Entry(*key, Kind.FILE, mode, mtime, same_as=(same.index, path))


def _place(name: str, expected: Mapping[str, Expected]) -> tuple[Expected, tuple[str, ...]]:
    if name.startswith("/"):
        raise _Refused(msg("{name!r} is an absolute name", name=name))
    parts = tuple(part for part in name.split("/") if part not in ("", "."))
    if ".." in parts:
        raise _Refused(msg("{name!r} leads upwards", name=name))
    if "" in expected:
        return expected[""], parts
    if not parts or parts[0] not in expected:
        raise _Refused(msg("{name!r} was not asked for", name=name))
    return expected[parts[0]], parts[1:]
