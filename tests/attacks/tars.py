"""Tar streams as a hostile node writes them: any bytes in any field of a header."""

from __future__ import annotations

import tarfile

END = bytes(1024)


def header(
    name: bytes,
    kind: bytes = tarfile.REGTYPE,
    *,
    size: bytes | int = 0,
    mtime: bytes | int = 5,
    mode: bytes | int = 0o644,
    link: bytes = b"",
    prefix: bytes = b"",
    magic: bytes = b"ustar  \0",
    checksum: int = 0,
) -> bytes:
    """Return a header. Numbers are written in octal; bytes as they are.

    Parameters:
        checksum: what is added to the right checksum.
    """

    def number(value: bytes | int, width: int) -> bytes:
        text = b"%0*o" % (width - 1, value) if isinstance(value, int) else value
        return text[:width].ljust(width, b"\0")

    block = b"".join(
        (
            name[:100].ljust(100, b"\0"),
            number(mode, 8),
            bytes(16),
            number(size, 12),
            number(mtime, 12),
            b" " * 8,
            kind[:1],
            link[:100].ljust(100, b"\0"),
            magic[:8],
            bytes(64 + 16),
            prefix[:155].ljust(155, b"\0"),
            bytes(12),
        )
    )
    total = sum(block) + checksum
    return block[:148] + b"%06o\0 " % total + block[156:]


def padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % 512)


def file(name: bytes, data: bytes = b"", *, mode: int = 0o644, mtime: bytes | int = 5) -> bytes:
    return header(name, size=len(data), mode=mode, mtime=mtime) + padded(data)


def folder(name: bytes, mode: int = 0o755) -> bytes:
    return header(name, tarfile.DIRTYPE, mode=mode)


def link(name: bytes, to: bytes) -> bytes:
    return header(name, tarfile.SYMTYPE, link=to)


def long_name(name: bytes, kind: bytes = tarfile.GNUTYPE_LONGNAME) -> bytes:
    return header(b"././@LongLink", kind, size=len(name) + 1) + padded(name + b"\0")


def record(key: bytes, value: bytes) -> bytes:
    """Return a pax record with its right length."""
    length = len(key) + len(value) + 3
    while len(b"%d" % length) + len(key) + len(value) + 3 != length:
        length = len(b"%d" % length) + len(key) + len(value) + 3
    return b"%d %s=%s\n" % (length, key, value)


def pax(*records: bytes) -> bytes:
    data = b"".join(records)
    return header(b"pax", tarfile.XHDTYPE, size=len(data)) + padded(data)


def base256(number: int, width: int = 12) -> bytes:
    """Return a number as GNU tar writes one that octal digits have no room for."""
    if number < 0:
        return b"\xff" + number.to_bytes(width - 1, "big", signed=True)
    return b"\x80" + number.to_bytes(width - 1, "big")
