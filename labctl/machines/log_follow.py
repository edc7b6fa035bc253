"""Follow a log file while another process writes it."""

from __future__ import annotations

import contextlib
import re
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

_STEERING = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")

_PAUSE = 0.25
"""Seconds between two reads. Only people wait for these lines."""


@contextlib.contextmanager
def follow(path: Path, start: int, on_line: Callable[[str], None]) -> Iterator[None]:
    """Call `on_line` with each line that is added to a file, until the block ends.

    Parameters:
        path: the file; it need not exist yet.
        start: offset in bytes to begin at.
        on_line: called with each line, stripped; empty lines are skipped.
    """
    done = threading.Event()

    def read() -> None:
        offset, rest = start, b""
        last = False
        while not last:
            last = done.wait(_PAUSE)
            try:
                with path.open("rb") as file:
                    file.seek(offset)
                    data = file.read()
            except OSError:
                continue
            offset += len(data)
            *lines, rest = re.split(rb"[\r\n]", rest + data)
            for line in lines:
                text = plain(line.decode("utf-8", "replace")).strip()
                if text:
                    on_line(text)
        if text := rest.decode("utf-8", "replace").strip():
            on_line(text)

    reader = threading.Thread(target=read, name=f"follow {path.name}", daemon=True)
    reader.start()
    try:
        yield
    finally:
        done.set()
        reader.join()


def plain(text: str) -> str:
    """Return a line without terminal escape sequences."""
    return _STEERING.sub("", text)


def tail(path: Path, start: int) -> str:
    """Return the text after the offset `start`, without progress bars; empty if unreadable."""
    try:
        with path.open("rb") as file:
            file.seek(start)
            text = file.read().decode("utf-8", "replace")
    except OSError:
        return ""
    # A carriage return overwrites the line before it.
    lines = (plain(line.rstrip("\r").rpartition("\r")[2]) for line in text.split("\n"))
    return "\n".join(lines).strip()
