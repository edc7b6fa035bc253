"""The three streams of a command: none blocks another, and nothing that arrives is missed."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable

import pytest

from labctl.remote.channel import Streams


class FakeChannel:
    """A paramiko channel whose waits end as the test wants.

    Parameters:
        out: what each read of stdout finds: bytes, empty at its end; None where the wait times out.
        err: the same for stderr.
        sent: what each write to stdin takes, in bytes; None where the wait times out.
    """

    def __init__(
        self,
        out: list[bytes | None],
        err: list[bytes | None] | None = None,
        sent: list[int | None] | None = None,
    ) -> None:
        self.out = deque(out)
        self.err = deque([b""] if err is None else err)
        self.sent = deque(sent or [])
        self.stdin = b""
        self.status_event = threading.Event()
        self.status_event.set()
        self.timed_out: Callable[[], None] = lambda: None

    def settimeout(self, seconds: float) -> None:
        assert seconds <= 0.1

    def recv(self, size: int) -> bytes:
        return self._read(self.out)

    def recv_stderr(self, size: int) -> bytes:
        return self._read(self.err)

    def _read(self, stream: deque[bytes | None]) -> bytes:
        data = stream.popleft() if stream[0] != b"" else b""
        if data is None:
            self.timed_out()
            raise TimeoutError
        return data

    def recv_ready(self) -> bool:
        return bool(self.out[0])

    def recv_stderr_ready(self) -> bool:
        return bool(self.err[0])

    def send(self, data: memoryview) -> int:
        size = self.sent.popleft()
        if size is None:
            raise TimeoutError
        self.stdin += data[:size]
        return size

    def shutdown_write(self) -> None:
        raise OSError("Socket is closed")

    def recv_exit_status(self) -> int:
        return 3


def streams(channel: FakeChannel, silence: float | None = None) -> tuple[Streams, list[bytes]]:
    """Return streams, and what they pass on; stderr in capitals."""
    passed: list[bytes] = []
    found = Streams(
        channel, passed.append, lambda data: passed.append(data.upper()), silence=silence
    )
    return found, passed


def test_output_that_arrives_just_as_a_wait_ends_is_not_missed() -> None:
    """Nothing more may come after it, as from a shell that waits for its next line."""
    found, passed = streams(FakeChannel([None, b"answer", None]))
    assert found.receive()
    assert passed == [b"answer"]


def test_stderr_that_arrives_just_as_a_wait_for_it_ends_is_not_missed() -> None:
    found, passed = streams(FakeChannel([None], err=[None, b"answer", None]))
    assert found.receive_error()
    assert passed == [b"ANSWER"]


def test_while_stdout_is_silent_stderr_is_read() -> None:
    found, passed = streams(FakeChannel([None, b""], err=[b"words", b""]))
    assert found.receive()
    assert passed == [b"WORDS"]
    assert not found.receive()


def test_while_stdin_is_full_output_is_read() -> None:
    """A command that writes much before it reads would wait for ever."""
    channel = FakeChannel([b"a", b"b", None], err=[b"c", None], sent=[2, None, None, 3])
    found, passed = streams(channel)
    assert found.send(b"stdin")
    assert channel.stdin == b"stdin"
    assert sorted(passed) == [b"C", b"a", b"b"]


def test_a_command_that_ends_early_takes_no_more() -> None:
    channel = FakeChannel([b""], sent=[2, 0])
    assert not streams(channel)[0].send(b"stdin")


def test_the_end_is_after_all_output() -> None:
    found, passed = streams(FakeChannel([b"a", None, b"b", b""], err=[None, b"c", b"d", b""]))
    assert found.finish() == 3
    assert sorted(passed) == [b"C", b"D", b"a", b"b"]


@pytest.mark.parametrize("act", [lambda s: s.receive(), lambda s: s.send(b"x")])
def test_silence_ends(act: Callable[[Streams], object], monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter(range(0, 1000, 100))
    monkeypatch.setattr("labctl.remote.channel.time.monotonic", lambda: next(clock))
    channel = FakeChannel([None] * 9, err=[None], sent=[None] * 9)
    with pytest.raises(TimeoutError):
        act(streams(channel, silence=300)[0])
    assert 4 <= max(len(channel.out), len(channel.sent)) <= 9


@pytest.mark.parametrize("stream", ["out", "err", "sent"])
def test_a_byte_now_and_then_is_silence(stream: str, monkeypatch: pytest.MonkeyPatch) -> None:
    seconds = 0.0

    def clock() -> float:
        nonlocal seconds
        seconds += 1.0
        return seconds

    def act(part: bytes) -> None:
        # A wait is before each part.
        parts = [one for _ in range(1000) for one in (None, part)]
        ends: list[bytes | None] = [*parts, b""]
        sizes = [None if one is None else len(one) for one in parts]
        channel = FakeChannel(
            ends if stream == "out" else [b""], ends if stream == "err" else [b""], sizes
        )
        found = streams(channel, silence=300)[0]
        if stream == "sent":
            assert found.send(part * 1000)
        while found.receive() or found.receive_error():
            pass

    monkeypatch.setattr("labctl.remote.channel.time.monotonic", clock)
    act(b"x" * 1024)
    seconds = 0.0
    with pytest.raises(TimeoutError):
        act(b"x")
    assert seconds < 1000


def test_what_is_done_between_two_waits_is_no_silence(monkeypatch: pytest.MonkeyPatch) -> None:
    """Such as writing to a slow disk."""
    seconds = 0.0
    monkeypatch.setattr("labctl.remote.channel.time.monotonic", lambda: seconds)
    found, _ = streams(FakeChannel([b"x"] * 99), silence=300)
    for _ in range(40):
        assert found.receive()
        seconds += 250
