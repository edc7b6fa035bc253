"""The stdin, stdout and stderr of a command on a node.

A command may end before it has read all of its stdin: sudo does so if the user may not become root.
Its output and its exit code can still be read then.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from typing import Any

WINDOW = 1 << 22
"""Bytes that a node may send before they are read: enough for a line of 300 Mbit/s and 100 ms.
paramiko offers half of it. Reads take as much, because paramiko moves the rest of its buffer after
each one."""

PACKET = 1 << 17
"""Longest packet, in bytes, that a node may send. OpenSSH uses all of it. paramiko would offer
32 KiB, which means four times the work in Python."""

_TICK = 0.1
"""Seconds between two looks at the other streams while one of them is waited for."""


class Streams:
    """The three streams of a command, none of which blocks another.

    A command that has filled the window of one stream writes to neither until that one is read, so
    whatever method waits also reads both.

    Parameters:
        channel: a paramiko channel on which the command was started.
        out: called with what the command writes to stdout.
        err: called with what it writes to stderr.
        silence: seconds without progress after which a method raises TimeoutError; None: never.
    """

    def __init__(
        self,
        channel: Any,
        out: Callable[[bytes], object],
        err: Callable[[bytes], object],
        *,
        silence: float | None = None,
    ) -> None:
        self._channel = channel
        self._out = out
        self._err = err
        self._silence = silence
        channel.settimeout(_TICK)

    def send(self, data: bytes | bytearray | memoryview) -> bool:
        """Write all of `data` to stdin; return False if the command ended before it took all.

        Raises:
            TimeoutError: nothing moved for too long.
            OSError: the connection broke.
        """
        view = memoryview(data)
        deadline = self._deadline()
        while view:
            try:
                sent = self._channel.send(view)
            except TimeoutError:
                self._pass_on()
                _check(deadline)
                continue
            except OSError:
                # paramiko raises the same error for a closed channel, whichever side closed it.
                if not self._channel.closed or not self._channel.transport.is_active():
                    raise
                return False
            if not sent:
                return False
            view = view[sent:]
            deadline = self._deadline()
            self._pass_on()
        return True

    def receive(self) -> bool:
        """Wait for output and pass it on; return False once stdout has ended.

        While stdout is silent, output on stderr alone ends the wait, too.

        Raises:
            TimeoutError: nothing arrived for too long.
            OSError: the connection broke.
        """
        return self._receive(self._channel.recv, self._out)

    def receive_error(self) -> bool:
        """As `receive`, with the streams exchanged."""
        return self._receive(self._channel.recv_stderr, self._err)

    def finish(self) -> int:
        """End stdin, pass on the rest of the output, and return the exit code.

        Returns:
            The exit code; -1 if there is none because a signal ended the command or the connection
            broke.
        """
        self.end_stdin()
        while self.receive():
            pass
        while self.receive_error():
            pass
        code: int = self._channel.recv_exit_status()
        return code

    def end_stdin(self) -> None:
        """End stdin. A command that has ended already doesn't need it."""
        with contextlib.suppress(OSError):
            self._channel.shutdown_write()

    def _receive(self, read: Callable[[int], bytes], take: Callable[[bytes], object]) -> bool:
        deadline = self._deadline()
        while True:
            try:
                data = read(WINDOW)
            except TimeoutError:
                # Output may have arrived since: it counts, or the next wait could last for ever.
                if self._pass_on():
                    return True
                _check(deadline)
                continue
            if data:
                take(data)
            self._pass_on()
            return bool(data)

    def _pass_on(self) -> bool:
        """Pass on what has arrived, without waiting; return whether there was anything.

        One read a stream: a node that sends faster than its data is used must not fill the memory.
        """
        out, err = self._channel.recv_ready(), self._channel.recv_stderr_ready()
        if out:
            self._out(self._channel.recv(WINDOW))
        if err:
            self._err(self._channel.recv_stderr(WINDOW))
        return bool(out or err)

    def _deadline(self) -> float | None:
        return None if self._silence is None else time.monotonic() + self._silence


def _check(deadline: float | None) -> None:
    if deadline is not None and time.monotonic() > deadline:
        raise TimeoutError("nothing moved for too long")
