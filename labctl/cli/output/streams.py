"""Standard streams that are closed, full, or a pipe that nobody reads any more."""

from __future__ import annotations

import contextlib
import io
import os
import sys
from typing import Any, TextIO

from labctl.errors import LabctlError
from labctl.messages import msg


def reserve() -> None:
    """Open closed standard streams, so that no other file takes their numbers.

    Otherwise the next file that labctl opens, such as a log or a lock, would be what it and the
    programs that it starts write to. Writing to a closed stdout remains an error.
    """
    for number, flags in ((0, os.O_RDONLY), (1, os.O_RDONLY), (2, os.O_WRONLY)):
        try:
            os.fstat(number)
        except OSError:
            opened = os.open(os.devnull, flags)
            if opened != number:
                os.dup2(opened, number)
                os.close(opened)
    if sys.stdin is None:
        sys.stdin = open(0, encoding="utf-8", closefd=False)  # noqa: SIM115
    sys.stdout = _watched(sys.stdout, 1)
    sys.stderr = _watched(sys.stderr, 2)


def failure() -> LabctlError | None:
    """Return the error if something that was written to stdout or stderr was lost, else None.

    A stream that failed discards everything from then on.
    """
    found: LabctlError | None = None
    for stream in (sys.stdout, sys.stderr):
        error = _lost(stream)
        if error is None:
            continue
        _discard(stream)
        if isinstance(error, BrokenPipeError):  # as with `| head`; nobody misses the rest
            found = found or LabctlError("")
        else:
            found = LabctlError(
                msg("the output cannot be written: {reason}", reason=error.strerror or error),
                hint="free space where the output is written",
            )
    return found


class _Remembering(io.FileIO):
    """A file that remembers that it could not be written."""

    error: OSError | None = None

    def write(self, data: Any) -> int:
        try:
            return super().write(data)
        except OSError as error:
            self.error = error
            raise


def _watched(stream: TextIO | None, number: int) -> TextIO:
    """Return a standard stream that remembers failures; a terminal stays as it is."""
    if stream is not None and (type(stream) is not io.TextIOWrapper or stream.isatty()):
        return stream
    buffer = io.BufferedWriter(_Remembering(number, "w", closefd=False))
    return io.TextIOWrapper(
        buffer,
        encoding=stream.encoding if stream is not None else "utf-8",
        errors=stream.errors if stream is not None else "backslashreplace",
        line_buffering=number == 2,
    )


def _lost(stream: TextIO) -> OSError | None:
    """Return why something that was written to a stream was lost."""
    try:
        stream.flush()
    except OSError as error:
        return error
    return getattr(getattr(getattr(stream, "buffer", None), "raw", None), "error", None)


def _discard(stream: TextIO) -> None:
    """Let a stream lead nowhere, so that Python can flush it at its end."""
    with contextlib.suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)
        stream.flush()
