"""The stdin, stdout and stderr of a command on a node.

A command may end before it has read all of its stdin: sudo does so if the user may not become root.
Its output and its exit code can still be read then.

A login shell may print before a command runs, as an ``echo`` in ~/.bashrc does. labctl's own
scripts therefore print `MARK` first, and `Streams` skips what precedes it.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from typing import Any

from labctl.remote.transport import WINDOW

MARK = b"labctl-begins-8f3c1d5e9b7a2046\n"
"""A script prints this to both its streams before anything else."""

ANSWER = 1 << 26
"""Most bytes that labctl keeps of the output of one command."""

_TICK = 0.1
"""Seconds between two checks of the other streams while a method waits for one of them."""

_PROGRESS = 1 << 10
"""Bytes that count as progress. A node that sends one now and then must not delay a command."""

_KEPT = 1 << 12
"""How many bytes are kept of the end of what precedes the mark, to explain why no mark came."""


class Flood(OSError):
    """A command printed more than `ANSWER` bytes, or had not printed its mark within as many."""


class AfterMark:
    """Passes on the part of a stream that follows `MARK`.

    Parameters:
        take: called with parts of it.

    Attributes:
        begun: whether the mark was found.
        before: the end of what preceded it.
    """

    def __init__(self, take: Callable[[bytes], object]) -> None:
        self._take = take
        self._skipped = 0
        self.begun = False
        self.before = bytearray()

    def __call__(self, data: bytes) -> None:
        """Take the next part of the stream.

        Raises:
            Flood: the mark is not within the first `ANSWER` bytes.
        """
        if self.begun:
            self._take(data)
            return
        searched = max(0, len(self.before) - len(MARK))
        self.before += data
        found = self.before.find(MARK, searched)
        if found >= 0:
            self.begun = True
            rest = bytes(self.before[found + len(MARK) :])
            del self.before[found:]
            if rest:
                self._take(rest)
        self._skipped += max(0, len(self.before) - _KEPT)
        del self.before[:-_KEPT]
        if self._skipped > ANSWER:
            raise Flood


class Streams:
    """The three streams of a command, none of which blocks another.

    A command that has filled the window of one stream writes to neither until that one is read, so
    whatever method waits also reads both.

    Parameters:
        channel: a paramiko channel on which the command was started.
        out: called with what the command writes to stdout.
        err: called with what it writes to stderr.
        silence: seconds of waiting without progress after which a method raises TimeoutError; None:
            never.
        marked: the command is a script of labctl's, which prints `MARK` first; skip what precedes
            that.

    Attributes:
        deadline: when any method raises TimeoutError whatever happens, by `time.monotonic`; None:
            never.
        begin_by: the same, as long as the script has not begun.
    """

    def __init__(
        self,
        channel: Any,
        out: Callable[[bytes], object],
        err: Callable[[bytes], object],
        *,
        silence: float | None = None,
        marked: bool = False,
    ) -> None:
        self._channel = channel
        self._marks = (AfterMark(out), AfterMark(err)) if marked else ()
        self._out, self._err = self._marks or (out, err)
        self._silence = silence
        self._waited = 0.0
        self._moved = 0
        self.deadline: float | None = None
        self.begin_by: float | None = None
        channel.settimeout(_TICK)

    @property
    def begun(self) -> bool:
        """True if the script began. A script that printed nothing at all did not."""
        return not self._marks or any(stream.begun for stream in self._marks)

    @property
    def before(self) -> tuple[bytes, bytes]:
        """The ends of what the login shell, or sudo, wrote to stdout and stderr before the mark."""
        out, err = (bytes(stream.before) for stream in self._marks) if self._marks else (b"", b"")
        return out, err

    def send(self, data: bytes | bytearray | memoryview) -> bool:
        """Write all of `data` to stdin; return False if the command ended before it took all.

        Raises:
            TimeoutError: nothing moved for too long.
            OSError: the connection broke.
        """
        view = memoryview(data)
        deadline, began = self._until(), time.monotonic()
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
            self._count(sent, began)
            deadline, began = self._until(), time.monotonic()
            _check(deadline)
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

        Raises:
            TimeoutError: nothing arrived for too long.
            OSError: the connection broke.
        """
        self.end_stdin()
        while self.receive():
            pass
        while self.receive_error():
            pass
        deadline = self._until()
        # A command may close its streams and run on.
        while not self._channel.status_event.wait(_TICK):
            _check(deadline)
        code: int = self._channel.recv_exit_status()
        return code

    def end_stdin(self) -> None:
        """End stdin. No-op if the command has ended already."""
        with contextlib.suppress(OSError):
            self._channel.shutdown_write()

    def _receive(self, read: Callable[[int], bytes], take: Callable[[bytes], object]) -> bool:
        deadline, began = self._until(), time.monotonic()
        _check(deadline)  # a node that sends a byte now and then is never silent
        while True:
            try:
                data = read(WINDOW)
            except TimeoutError:
                # Output may have arrived since: it counts, or the next wait could last for ever.
                if found := self._pass_on():
                    self._count(found, began)
                    return True
                _check(deadline)
                continue
            self._count(len(data), began)
            if data:
                take(data)
            self._pass_on()
            return bool(data)

    def _pass_on(self) -> int:
        """Pass on what has arrived, without waiting; return how many bytes it was.

        One read a stream: a node that sends faster than its data is used must not fill the memory.
        """
        out = self._channel.recv(WINDOW) if self._channel.recv_ready() else b""
        if out:
            self._out(out)
        err = self._channel.recv_stderr(WINDOW) if self._channel.recv_stderr_ready() else b""
        if err:
            self._err(err)
        return len(out) + len(err)

    def _count(self, moved: int, began: float) -> None:
        """Count bytes that moved, and the wait for them, which began then."""
        self._waited += time.monotonic() - began
        self._moved += moved
        if self._moved >= _PROGRESS:
            self._waited, self._moved = 0.0, 0

    def _until(self) -> float | None:
        """Return when the wait that begins now is too long."""
        if self._silence is None:
            return self._last
        end = time.monotonic() + self._silence - self._waited
        return end if self._last is None else min(end, self._last)

    @property
    def _last(self) -> float | None:
        return self.deadline if self.begin_by is None or self.begun else self.begin_by


class Kept(bytearray):
    """The output of a command, up to `ANSWER` bytes."""

    def take(self, data: bytes) -> None:
        """Append the next part.

        Raises:
            Flood: there is too much of it.
        """
        self += data
        if len(self) > ANSWER:
            raise Flood


def _check(deadline: float | None) -> None:
    if deadline is not None and time.monotonic() > deadline:
        raise TimeoutError
