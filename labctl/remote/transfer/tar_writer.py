"""Writes entries as a tar stream.

tarfile makes the headers. Its stream writer isn't used because it copies each byte several times,
in small blocks, and looks up user names, which costs more than sending.
"""

from __future__ import annotations

import tarfile
from collections.abc import Callable

from labctl.errors import TransferError
from labctl.messages import msg
from labctl.remote.transfer.entry import BLOCK, Bytes, Entry, Kind

END = "end"
"""Name of the last entry. tar accepts a stream that breaks off between two entries as complete."""

_RECORD = 20 * 512
_TYPES = {Kind.FOLDER: tarfile.DIRTYPE, Kind.FILE: tarfile.REGTYPE, Kind.LINK: tarfile.SYMTYPE}


class TarWriter:
    """Writes a tar stream in which root number N is named N.

    Parameters:
        send: called with the bytes; a block is only valid until the call returns.
        moved: called with the number of bytes of files that were sent.
    """

    def __init__(self, send: Callable[[Bytes], None], moved: Callable[[int], None]) -> None:
        self._send = send
        self._moved = moved
        self._buffer = bytearray()
        self._written = 0

    def add(self, member: Entry) -> None:
        """Write a member.

        Raises:
            TransferError: its content cannot be read, or its name not be written.
        """
        self._header(_name(member.root, member.path), member)
        if member.kind is Kind.FILE:
            for block in member.content():
                self._put(block)
                self._moved(len(block))
            self._put(bytes(-member.size % 512))

    def close(self) -> None:
        """Write the end mark and send what is left."""
        self._header(END, Entry(0, (), Kind.FILE, 0o600, 0))
        self._put(bytes(1024))
        self._put(bytes(-self._written % _RECORD))
        self._flush()

    def _header(self, name: str, member: Entry) -> None:
        info = tarfile.TarInfo(name)
        info.type = _TYPES[member.kind]
        info.mode = member.mode
        info.mtime = member.mtime
        info.size = member.size
        info.linkname = member.link
        if member.same_as is not None:
            info.type = tarfile.LNKTYPE
            info.linkname = _name(*member.same_as)
        try:
            # GNU's format: long names are plain bytes, and times whole seconds without a header of
            # their own.
            header = info.tobuf(tarfile.GNU_FORMAT, "utf-8", "surrogateescape")
        except ValueError as error:
            raise TransferError(
                msg("the name {name!r} cannot be sent: {error}", name=name, error=error)
            ) from error
        self._put(header)

    def _put(self, data: Bytes) -> None:
        self._written += len(data)
        if len(data) >= BLOCK:
            self._flush()
            self._send(data)
            return
        self._buffer += data
        if len(self._buffer) >= BLOCK:
            self._flush()

    def _flush(self) -> None:
        if self._buffer:
            self._send(self._buffer)
            self._buffer = bytearray()


def _name(root: int, path: tuple[str, ...]) -> str:
    return "/".join((str(root), *path))
