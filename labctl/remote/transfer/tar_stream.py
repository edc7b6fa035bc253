"""Reads the headers and contents of a node's tar stream, in bounded memory.

`tarfile` decodes a header, and nothing more of it is used: it reads as much as a header says, calls
itself once for each extension header, and takes a damaged header in mid-stream for the end.
"""

from __future__ import annotations

import re
import tarfile
from collections.abc import Iterator
from typing import Protocol

from labctl.errors import TransferError
from labctl.messages import msg
from labctl.remote.transfer.entry import Bytes

MAX_PATH = 4096
"""Bytes of a name or a link's target: Linux takes no longer path."""

MAX_PAX = 1 << 20
"""Bytes of a pax header. Two names and some numbers take 9 kB; a file's attributes may stand beside
them, of which labctl keeps none."""

MAX_SIZE = (1 << 63) - 1
"""Bytes of a file: no system takes more."""

MAX_TIME = 1 << 40
"""Seconds before or after 1970. That is the year 36812; far larger numbers overflow in the system's
own functions."""

MAX_PADDING = 1 << 20
"""Bytes after the end mark. tar fills its last record with zeros: 10 kB, unless told otherwise."""

_BLOCK = 512
_ZEROS = bytes(_BLOCK)
_NUMBER = re.compile(r"[0-9]{1,20}")
_TIME = re.compile(r"(-?)([0-9]{1,20})(?:\.([0-9]*))?")
_TYPES = frozenset((*tarfile.SUPPORTED_TYPES, tarfile.XHDTYPE, tarfile.SOLARIS_XHDTYPE))


class Readable(Protocol):
    """A stream of bytes."""

    def recv(self) -> bytes:
        """Wait for the next part and return it; an empty one only at the end."""
        ...


class TarStream:
    """A tar stream. Each header may be followed by its content, which is skipped if unread."""

    def __init__(self, stream: Readable) -> None:
        self._stream = stream
        self._ahead = memoryview(b"")
        self._left = 0
        self._padding = 0

    def headers(self) -> Iterator[tarfile.TarInfo]:
        """Yield the header of each member, with what its extension headers say.

        The whole stream is read, up to the end of the padding.

        Raises:
            TransferError: the stream is damaged, cut off, exceeds a limit, or is not a tar stream.
        """
        while (info := self._member()) is not None:
            yield info

    def content(self) -> Iterator[Bytes]:
        """Yield the content of the last header's file in blocks.

        Raises:
            TransferError: the stream is cut off.
        """
        while self._left:
            block = self._some(self._left)
            self._left -= len(block)
            yield block

    def _member(self) -> tarfile.TarInfo | None:
        """Return the next member's header; None at the end of the archive."""
        found: dict[str, str] = {}
        seen: set[bytes] = set()
        while True:
            info = self._header()
            if info is None:
                if seen:
                    raise damaged(msg("a header that belongs to no file"))
                return None
            if info.type in (tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK):
                key = "path" if info.type == tarfile.GNUTYPE_LONGNAME else "linkpath"
                found[key] = _text(self._payload(info, MAX_PATH).partition(b"\0")[0])
            elif info.type in (tarfile.XHDTYPE, tarfile.SOLARIS_XHDTYPE):
                found |= _pax(self._payload(info, MAX_PAX))
            else:
                break
            if info.type in seen:
                # A chain of them would only take time.
                raise damaged(msg("two headers of one kind for one file"))
            seen.add(info.type)
        _apply(info, found)
        if info.isreg():
            self._expect(info.size)
        return info

    def _header(self) -> tarfile.TarInfo | None:
        for _ in self.content():
            pass
        self._exactly(self._padding)
        self._padding = 0
        block = self._exactly(_BLOCK)
        if block == _ZEROS:
            self._end()
            return None
        try:
            info = tarfile.TarInfo.frombuf(block, "utf-8", "surrogateescape")
        except tarfile.HeaderError as error:
            raise damaged(str(error)) from error
        if info.type not in _TYPES:
            raise damaged(msg("a header of the unknown type {type!r}", type=info.type))
        return info

    def _payload(self, info: tarfile.TarInfo, limit: int) -> bytes:
        if not 0 < info.size <= limit:
            raise damaged(
                msg("a header of {size} bytes; the limit is {limit}", size=info.size, limit=limit)
            )
        self._expect(info.size)
        return b"".join(bytes(block) for block in self.content())

    def _expect(self, size: int) -> None:
        self._left = size
        self._padding = -size % _BLOCK

    def _end(self) -> None:
        """Read what follows the first block of zeros: at least one more, and nothing else."""
        length = 0
        while True:
            block = bytes(self._ahead) or self._stream.recv()
            self._ahead = memoryview(b"")
            if not block:
                break
            length += len(block)
            if block.strip(b"\0"):
                raise damaged(msg("more data after the end of the archive"))
            if length > MAX_PADDING:
                raise damaged(msg("no end of the padding"))
        if length < _BLOCK:
            raise damaged(msg("unexpected end of data"))

    def _exactly(self, size: int) -> bytes:
        parts: list[Bytes] = []
        while size:
            block = self._some(size)
            parts.append(block)
            size -= len(block)
        return b"".join(parts)

    def _some(self, size: int) -> memoryview:
        """Return between one and `size` bytes."""
        if not self._ahead:
            self._ahead = memoryview(self._stream.recv())
            if not self._ahead:
                raise damaged(msg("unexpected end of data"))
        block, self._ahead = self._ahead[:size], self._ahead[size:]
        return block


def damaged(why: str) -> TransferError:
    """Return the error for a stream that cannot be read any further."""
    return TransferError("what the node sent is cut off or no tar", details=why)


def _apply(info: tarfile.TarInfo, found: dict[str, str]) -> None:
    """Set what the extension headers say, and check every number and name."""
    info.name = found.get("path", info.name)
    info.linkname = found.get("linkpath", info.linkname)
    if any(key.startswith("GNU.sparse.") for key in found):
        info.type = tarfile.GNUTYPE_SPARSE
    if "size" in found:
        if not _NUMBER.fullmatch(found["size"]):
            raise damaged(msg("a size that is not a number"))
        info.size = int(found["size"])
    if not 0 <= info.size <= MAX_SIZE:
        raise damaged(msg("a file of {size} bytes", size=info.size))
    info.mtime = _seconds(found["mtime"]) if "mtime" in found else info.mtime
    if abs(info.mtime) > MAX_TIME:
        raise damaged(msg("a time that is out of range"))
    for name in (info.name, info.linkname):
        if "\0" in name:
            raise damaged(msg("a name with a NUL in it"))
        if (size := len(name.encode("utf-8", "surrogateescape"))) > MAX_PATH:
            raise damaged(
                msg("a name of {size} bytes; the limit is {limit}", size=size, limit=MAX_PATH)
            )


def _seconds(text: str) -> int:
    """Return a pax time as whole seconds, rounded down as stat does."""
    match = _TIME.fullmatch(text)
    if match is None:
        raise damaged(msg("a time that is not a number"))
    sign, whole, fraction = match.groups()
    seconds = int(whole)
    if sign:
        return -seconds - 1 if (fraction or "").strip("0") else -seconds
    return seconds


def _pax(data: bytes) -> dict[str, str]:
    """Return the records of a pax header. Each is "LENGTH KEY=VALUE" and a newline."""
    found: dict[str, str] = {}
    start = 0
    while start < len(data):
        blank = data.find(b" ", start, start + 20)
        digits = data[start : max(blank, start)]
        end = start + int(digits) if digits.isdigit() else 0
        if not start < blank < end <= len(data) or data[end - 1] != ord("\n"):
            raise damaged(msg("a damaged pax header"))
        key, _, value = data[blank + 1 : end - 1].partition(b"=")
        found[_text(key)] = _text(value)
        start = end
    return found


def _text(name: bytes) -> str:
    return name.decode("utf-8", "surrogateescape")
