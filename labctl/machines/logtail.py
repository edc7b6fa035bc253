"""Reading along in a log file while another process writes it."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

_PAUSE = 0.25
"""Seconds between two looks. People read along; nothing waits for it."""


@contextlib.contextmanager
def follow(path: Path, start: int, said: Callable[[str], None]) -> Iterator[None]:
    """Call `said` with each line that is added to a file, until the block ends.

    Parameters:
        path: the file; it need not exist yet.
        start: offset in bytes to begin at.
        said: takes a line, without its end and without blanks around it; empty lines are left out.
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
            *lines, rest = (rest + data).split(b"\n")
            for line in lines:
                text = line.decode("utf-8", "replace").strip()
                if text:
                    said(text)
        if text := rest.decode("utf-8", "replace").strip():
            said(text)

    reader = threading.Thread(target=read, name=f"follow {path.name}", daemon=True)
    reader.start()
    try:
        yield
    finally:
        done.set()
        reader.join()


def tail(path: Path, start: int) -> str:
    """Return what was added to a file after the offset `start`, or nothing if it cannot be read."""
    try:
        with path.open("rb") as file:
            file.seek(start)
            return file.read().decode("utf-8", "replace").strip()
    except OSError:
        return ""
