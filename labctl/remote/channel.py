"""The three streams of a command on a node, of which none may wait for another.

A command may end before it has read all of its stdin, or any of it: sudo does, where the user may
not become root. What it said about that, and its exit code, are then still to be read.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

from labctl.remote.connect import WINDOW

BLOCK = 65536


def offer(channel: Any, data: bytes | memoryview) -> int:
    """Send as much of `data` as fits to the command's stdin.

    Parameters:
        channel: a paramiko channel on which a command was started.
        data: at least one byte.

    Returns:
        How many bytes were sent; 0 where the command has ended and so takes none.

    Raises:
        TimeoutError: none fitted within the channel's timeout.
        OSError: the connection broke.
    """
    try:
        sent: int = channel.send(data)
    except OSError:
        # paramiko has one error for a channel that is closed, whoever closed it.
        if not channel.closed or not channel.transport.is_active():
            raise
        return 0
    return sent


def offer_all(channel: Any, data: bytes) -> None:
    """As `offer`, all of `data`, or as much as the command took before it ended."""
    view = memoryview(data)
    while view and (sent := offer(channel, view)):
        view = view[sent:]


def feed(
    channel: Any, data: bytes, out: Callable[[bytes], object], err: Callable[[bytes], object]
) -> None:
    """As `offer_all`, with what comes meanwhile given to `out` and `err`; then end stdin."""
    view = memoryview(data)
    while view and (sent := offer(channel, view[:BLOCK])):
        view = view[sent:]
        _take_ready(channel, out, err)
    with contextlib.suppress(OSError):
        channel.shutdown_write()


def receive(channel: Any, out: Callable[[bytes], object], err: Callable[[bytes], object]) -> bool:
    """Wait for output and give it to `out` and `err`; return False at its end.

    Raises:
        OSError: the connection broke.
    """
    # stdout alone must not be waited for: a node that fills the window of stderr writes to
    # neither before that one is read.
    channel.settimeout(0.1)
    data = None
    while data is None:
        try:
            data = channel.recv(WINDOW)
        except TimeoutError:
            _take_ready(channel, out, err)
    channel.settimeout(None)
    if data:
        out(data)
        _take_ready(channel, out, err)
        return True
    while data := channel.recv_stderr(WINDOW):
        err(data)
    return False


def _take_ready(
    channel: Any, out: Callable[[bytes], object], err: Callable[[bytes], object]
) -> None:
    while channel.recv_ready():
        out(channel.recv(WINDOW))
    while channel.recv_stderr_ready():
        err(channel.recv_stderr(WINDOW))
