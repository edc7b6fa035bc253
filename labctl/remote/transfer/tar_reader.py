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

from labctl.errors import TransferError
from labctl.messages import msg
from labctl.remote.transfer.entry import MAX_DEPTH, Entry, Kind, Root, link_stays
from labctl.remote.transfer.skipped import NO_FILE
from labctl.remote.transfer.tar_stream import Readable, TarStream

MAX_ENTRIES = 1_000_000
"""Entries of a copy. The reader remembers each, to refuse one that comes twice."""

MAX_KEPT = 1 << 29
"""Bytes of memory for their names, estimated: enough for a million names of ordinary length."""

_PART = 60
"""Bytes that Python takes for a part of a path, besides its characters."""


_FEWER = msg("copy it in parts, or as an archive that you make on the node")

_Key = tuple[int, tuple[str, ...]]


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
    entries: int = 0
    kept: int = 0

    def count(self, info: tarfile.TarInfo) -> None:
        """Refuse a member that is one too many."""
        self.entries += 1
        self.kept += len(info.name) + len(info.linkname) + _PART * info.name.count("/")
        if self.entries > MAX_ENTRIES or self.kept > MAX_KEPT:
            raise _Refused(msg("more than {count:,} entries", count=self.entries - 1), _FEWER)


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
    tar = TarStream(stream)
    try:
        for info in tar.headers():
            seen.count(info)
            try:
                member = _member(tar, info, expected, seen)
            except _Skip as skip:
                if not skip.key[1]:  # a root
                    raise _Refused(msg("{name!r} is {why}", name=info.name, why=skip.why)) from None
                seen.skipped[skip.key] = skip.why
                skipped(skip.key, skip.why)
                continue
            seen.kinds[member.root, member.path] = member.kind
            if member.kind is Kind.LINK:
                seen.links[member.root, member.path] = member.link
            yield member
    except _Refused as refused:
        raise TransferError(
            msg("refused what the node sent: {refused}", refused=refused),
            node=node,
            hint=refused.hint or msg("nothing was written here; check that file on the node"),
        ) from None
    missing = [e.root.name for e in expected.values() if (e.index, ()) not in seen.kinds]
    if missing:
        raise TransferError(
            msg("the node did not send {missing}", missing=", ".join(missing)), node=node
        )


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
    tar: TarStream,
    info: tarfile.TarInfo,
    expected: Mapping[str, Expected],
    seen: _Seen,
) -> Entry:
    found, path = _place(info.name, expected)
    key = (found.index, path)
    if len(path) > MAX_DEPTH:
        raise _Refused(msg("more than {count} folders inside each other", count=MAX_DEPTH), _FEWER)
    if key in seen.kinds or key in seen.skipped:
        raise _Refused(msg("{name!r} appears twice", name=info.name))
    if path and seen.kinds.get((found.index, path[:-1])) is not Kind.FOLDER:
        raise _Refused(msg("{name!r} lies in no folder that was sent before it", name=info.name))
    mtime = int(info.mtime)
    # setuid and setgid would let others run a file with its owner's rights.
    mode = info.mode & (0o3777 if info.isdir() else 0o777)
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
    if info.type == tarfile.GNUTYPE_SPARSE:
        raise _Refused(
            msg("{name!r} has holes that tar left out", name=info.name), "copy it without tar's -S"
        )
    return Entry(found.index, path, kind, mode, mtime, info.size, content=tar.content)


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
    """Return a hard link as an entry that refers to the file's first entry."""
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
        raise _Refused(msg("{name!r} leads out of the folder", name=name))
    if "" in expected:
        return expected[""], parts
    if not parts or parts[0] not in expected:
        raise _Refused(msg("{name!r} was not requested", name=name))
    return expected[parts[0]], parts[1:]
