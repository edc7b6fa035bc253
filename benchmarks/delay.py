"""A line that is 20 ms long: python -m benchmarks.delay LINK MILLISECONDS

Linux has netem for this, which not every kernel is built with. Here the frames of a node's link
travel through this process, which keeps each for half of the time in either direction. TCP notices
no difference: its handshakes, windows and acknowledgements take as long as on a real line.

It runs as a process of its own until its stdin ends, and then puts the link back in its place.
"""

from __future__ import annotations

import collections
import contextlib
import fcntl
import os
import select
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks.errors import BenchError
from tests.testbed.names import BRIDGE
from tests.testbed.shell import run

_TUNSETIFF = 0x400454CA
_IFF_TAP, _IFF_NO_PI = 0x0002, 0x1000
_FRAME = 65536
_SLOW = "labctl-slow"
_Queue = collections.deque[tuple[float, bytes]]


@contextlib.contextmanager
def delayed(link: str, milliseconds: float) -> Iterator[None]:
    """Make round trips over a node's link longer by so many milliseconds.

    Parameters:
        link: the outside end of the node's link, a port of the testbed's bridge.
        milliseconds: added to each round trip.
    """
    argv = [sys.executable, "-m", "benchmarks.delay", link, str(milliseconds)]
    with subprocess.Popen(
        argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=Path(__file__).parents[1]
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            if process.stdout.readline() != b"ready\n":
                raise BenchError("the delay line did not come up; its words are above")
            yield
        finally:
            process.stdin.close()
            process.wait(20)


def main() -> int:
    """Be the line."""
    link, milliseconds = sys.argv[1], float(sys.argv[2])
    near, far = _tap("labctl-near"), _tap("labctl-far")
    run("ip", "link", "add", _SLOW, "type", "bridge")
    try:
        run("ip", "link", "set", _SLOW, "up")
        for name, bridge in (("labctl-near", BRIDGE), ("labctl-far", _SLOW), (link, _SLOW)):
            if name != link:
                run("ip", "link", "set", name, "txqueuelen", "20000")
            run("ip", "link", "set", name, "master", bridge, "up")
        print("ready", flush=True)
        _carry(near, far, milliseconds / 2000)
    finally:
        run("ip", "link", "set", link, "master", BRIDGE)
        run("ip", "link", "delete", _SLOW)
    return 0


def _tap(name: str) -> int:
    """Make a network interface whose frames this process reads and writes."""
    handle = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    request = struct.pack("16sH22x", name.encode(), _IFF_TAP | _IFF_NO_PI)
    fcntl.ioctl(handle, _TUNSETIFF, request)
    return handle


def _carry(near: int, far: int, seconds: float) -> None:
    """Carry frames both ways until stdin ends."""
    stdin = sys.stdin.fileno()
    # For each way: where frames come from, where they go to, and those that are under way.
    ways: tuple[tuple[int, int, _Queue], ...] = (
        (near, far, collections.deque()),
        (far, near, collections.deque()),
    )
    now = time.monotonic
    while True:
        due = min((queue[0][0] for _, _, queue in ways if queue), default=None)
        wait = None if due is None else max(0.0, due - now())
        readable, _, _ = select.select([near, far, stdin], [], [], wait)
        if stdin in readable and not os.read(stdin, 1):
            return
        for source, sink, queue in ways:
            if source in readable:
                # A handful at once, so that neither way starves the other.
                for _ in range(64):
                    try:
                        queue.append((now() + seconds, os.read(source, _FRAME)))
                    except BlockingIOError:
                        break
            moment = now()
            while queue and queue[0][0] <= moment:
                with contextlib.suppress(BlockingIOError, OSError):  # a full queue drops, as any
                    os.write(sink, queue[0][1])
                queue.popleft()


if __name__ == "__main__":
    sys.exit(main())
