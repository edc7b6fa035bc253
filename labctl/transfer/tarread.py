"""A node's tar stream as members, none of which can lead outside the roots that were asked for.

The node is not trusted: it may be a student's. Absolute names, ``..``, links that point outside,
devices, members of things that were not asked for, and members below something that is no folder of
this very stream are refused; so whoever writes the members has nothing left to check but what its
own file system cannot hold.
"""

from __future__ import annotations

import tarfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import IO, Any, Protocol

from labctl.errors import TransferError
from labctl.transfer.member import BLOCK, Bytes, Kind, Member, Root, link_stays

_Key = tuple[int, tuple[str, ...]]


class Readable(Protocol):
    """What bytes come from."""

    def read(self, size: int, /) -> bytes:
        """Return `size` bytes; fewer only at the end."""
        ...


@dataclass(frozen=True, slots=True)
class Expected:
    """Root `index`, which the stream calls by a name of its own."""

    index: int
    root: Root


def members(stream: Readable, expected: Mapping[str, Expected], node: str) -> Iterator[Member]:
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
    file: Any = stream  # in this mode tarfile wants nothing but read()
    try:
        opened: Any = tarfile.open(
            fileobj=file, mode="r|", bufsize=BLOCK, encoding="utf-8", errors="surrogateescape"
        )
        with opened as tar:
            while info := tar.next():
                tar.members = []  # it would keep every member of a big tree
                member = _member(tar, info, expected, kinds)
                kinds[member.root, member.path] = member.kind
                yield member
    except tarfile.TarError as error:
        raise _cut_off(error) from error
    except _Refused as refused:
        raise TransferError(
            f"refused what the node sent: {refused}",
            node=node,
            hint=refused.hint or "nothing was written here; look at that file on the node",
        ) from None
    missing = [e.root.name for e in expected.values() if (e.index, ()) not in kinds]
    if missing:
        raise TransferError(f"the node did not send {', '.join(missing)}", node=node)


class _Refused(Exception):
    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


def _member(
    tar: tarfile.TarFile,
    info: tarfile.TarInfo,
    expected: Mapping[str, Expected],
    kinds: Mapping[_Key, Kind],
) -> Member:
    found, path = _place(info.name, expected)
    key = (found.index, path)
    if key in kinds:
        raise _Refused(f"{info.name!r} comes twice")
    if path and kinds.get((found.index, path[:-1])) is not Kind.FOLDER:
        raise _Refused(f"{info.name!r} lies in no folder that was sent before it")
    mode, mtime = info.mode & 0o777, max(0, int(info.mtime))
    kind = Kind.FOLDER if info.isdir() else Kind.LINK if info.issym() else Kind.FILE
    if not path and kind is not found.root.kind:
        raise _Refused(f"{info.name!r} is a {kind} and was a {found.root.kind} before")
    if kind is Kind.FOLDER:
        return Member(found.index, path, kind, mode, mtime)
    if kind is Kind.LINK:
        if not link_stays(len(path) - 1, info.linkname):
            raise _Refused(
                f"the link {info.name!r} points outside, to {info.linkname!r}",
                "--follow copies what links lead to in their place",
            )
        return Member(found.index, path, kind, mode, mtime, link=info.linkname)
    if info.islnk():
        return _hard_link(info, key, mode, mtime, expected, kinds)
    if not info.isreg():
        raise _Refused(f"{info.name!r} is a device, or something else that is no file")
    file = tar.extractfile(info)
    if file is None:
        raise _Refused(f"{info.name!r} has no content")

    def content(file: IO[bytes] = file) -> Iterator[Bytes]:
        left = info.size
        while left:
            try:
                block = file.read(min(BLOCK, left))
            except tarfile.TarError as error:
                raise _cut_off(error) from error
            if not block:
                raise _cut_off("unexpected end of data")
            left -= len(block)
            yield block

    return Member(found.index, path, kind, mode, mtime, info.size, content=content)


def _cut_off(why: object) -> TransferError:
    return TransferError("what the node sent is cut off or no tar", details=str(why))


def _hard_link(
    info: tarfile.TarInfo,
    key: _Key,
    mode: int,
    mtime: int,
    expected: Mapping[str, Expected],
    kinds: Mapping[_Key, Kind],
) -> Member:
    """Return a second name of a file as a member that says which member it is the same as."""
    same, path = _place(info.linkname, expected)
    if kinds.get((same.index, path)) is not Kind.FILE:
        raise _Refused(f"{info.name!r} is a second name of something that was not sent")
    return Member(*key, Kind.FILE, mode, mtime, same_as=(same.index, path))


def _place(name: str, expected: Mapping[str, Expected]) -> tuple[Expected, tuple[str, ...]]:
    if name.startswith("/"):
        raise _Refused(f"{name!r} is an absolute name")
    parts = PurePosixPath(name).parts
    if ".." in parts:
        raise _Refused(f"{name!r} leads upwards")
    if "" in expected:
        return expected[""], parts
    if not parts or parts[0] not in expected:
        raise _Refused(f"{name!r} was not asked for")
    return expected[parts[0]], parts[1:]
