"""Reads entries from a node's tar stream; none can lead outside the requested roots.

The node is not trusted, because it may be a student's. The reader refuses absolute names, ``..``,
entries that were not requested, and entries below anything but a folder of the same stream. It
skips devices and links that point outside. So a sink only has to check what its file system
can store.
"""

from __future__ import annotations

import tarfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Protocol

from labctl.errors import TransferError
from labctl.messages import msg
from labctl.remote.transfer.entry import Bytes, Entry, Kind, Root, link_stays
from labctl.remote.transfer.skipped import NO_FILE

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


@dataclass(slots=True)
class _Seen:
    """The members so far."""

    kinds: dict[_Key, Kind] = field(default_factory=dict)
    links: dict[_Key, str] = field(default_factory=dict)
    skipped: dict[_Key, str] = field(default_factory=dict)


def members(
    stream: Readable,
    expected: Mapping[str, Expected],
    node: str,
    skipped: Callable[[_Key, str], None] = lambda key, why: None,
) -> Iterator[Entry]:
    """Read members until the end of the archive.

    Parameters:
        stream: the tar.
        expected: by the first name of a member, what it belongs to. The empty name stands for a
            folder whose content has no name before it, and then it is the only one.
        node: for messages.
        skipped: called with the root and path of each member that is harmless but cannot be
            copied, such as a device, and with the reason.

    Raises:
        TransferError: a member is refused, or the stream is cut off or no tar.
    """
    seen = _Seen()
    forward = _Forward(stream)
    file: Any = forward
    try:
        with tarfile.open(
            fileobj=file, mode="r:", encoding="utf-8", errors="surrogateescape"
        ) as opened:
            tar: Any = opened
            while info := tar.next():
                tar.members = []  # it would keep every member of a big tree
                try:
                    member = _member(forward, info, expected, seen)
                except _Skip as skip:
                    if not skip.key[1]:  # a root
                        raise _Refused(
                            msg("{name!r} is {why}", name=info.name, why=skip.why)
                        ) from None
                    seen.skipped[skip.key] = skip.why
                    skipped(skip.key, skip.why)
                    continue
                seen.kinds[member.root, member.path] = member.kind
                if member.kind is Kind.LINK:
                    seen.links[member.root, member.path] = member.link
                yield member
    except tarfile.TarError as error:
        raise _cut_off(error) from error
    except _Refused as refused:
        raise TransferError(
            msg("refused what the node sent: {refused}", refused=refused),
            node=node,
            hint=refused.hint or msg("nothing was written here; look at that file on the node"),
        ) from None
    missing = [e.root.name for e in expected.values() if (e.index, ()) not in seen.kinds]
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


class _Skip(Exception):
    def __init__(self, key: _Key, why: str) -> None:
        super().__init__(why)
        self.key = key
        self.why = why


def _member(
    stream: _Forward,
    info: tarfile.TarInfo,
    expected: Mapping[str, Expected],
    seen: _Seen,
) -> Entry:
    found, path = _place(info.name, expected)
    key = (found.index, path)
    if key in seen.kinds or key in seen.skipped:
        raise _Refused(msg("{name!r} comes twice", name=info.name))
    if path and seen.kinds.get((found.index, path[:-1])) is not Kind.FOLDER:
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
        return _link(key, mtime, info.linkname)
    if info.islnk():
        return _hard_link(info, key, mode, mtime, expected, seen)
    if not info.isreg():
        raise _Skip(key, NO_FILE)
    if info.issparse():
        raise _Refused(
            msg("{name!r} has holes that tar left out", name=info.name), "copy it without tar's -S"
        )
    content = partial(stream.blocks, info.size)
    return Entry(found.index, path, kind, mode, mtime, info.size, content=content)


def _cut_off(why: object) -> TransferError:
    return TransferError("what the node sent is cut off or no tar", details=str(why))


def _link(key: _Key, mtime: int, target: str) -> Entry:
    root, path = key
    if not link_stays(len(path) - 1, target):
        why = msg("a link that points outside the copy, to {target}", target=target)
        raise _Skip(key, why)
    return Entry(root, path, Kind.LINK, 0o777, mtime, link=target)


def _hard_link(
    info: tarfile.TarInfo,
    key: _Key,
    mode: int,
    mtime: int,
    expected: Mapping[str, Expected],
    seen: _Seen,
) -> Entry:
    """Return a second name of a file as a member that says which member it is the same as."""
    same, path = _place(info.linkname, expected)
    if why := seen.skipped.get((same.index, path)):
        raise _Skip(key, why)
    if target := seen.links.get((same.index, path)):
        return _link(key, mtime, target)
    if seen.kinds.get((same.index, path)) is not Kind.FILE:
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
