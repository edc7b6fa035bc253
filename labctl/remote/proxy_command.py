"""A connection through a proxy command: a program whose stdin and stdout lead to the node.

paramiko has one too. It waits at full speed for a program that has ended, blocks one that prints
much to stderr, leaves processes behind, and, as Fabric calls it, replaces %p with 22.
"""

from __future__ import annotations

import contextlib
import getpass
import re
import shlex
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from typing import Any

from labctl.remote.target import Target

_PART = 1 << 16
"""Bytes that are passed on at once."""

_KEPT = 1 << 10
"""How many bytes are kept of the end of stderr, to explain why there is no connection."""

_GRACE = 1.0
"""Seconds for a process to end by itself."""


class ProxySocket(socket.socket):
    """A socket whose other end is the proxy command of a target; `close` ends the command.

    Parameters:
        target: a node that has a proxy command. As in OpenSSH, a shell runs it.

    Raises:
        OSError: it cannot be started.
    """

    def __init__(self, target: Target) -> None:
        here, there = socket.socketpair()
        super().__init__(fileno=here.detach())
        self._there = there
        self._ending = threading.Lock()
        self._was_ended = False
        self._last_words = bytearray()
        try:
            self._process = subprocess.Popen(
                expanded(target),
                shell=sys.platform != "win32",
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
            )
        except BaseException:
            there.close()
            super().close()
            raise
        self._threads = [self._start(work) for work in (self._send, self._receive, self._hear)]

    def close(self) -> None:
        """Close the socket and end the command, with the processes that it started."""
        with contextlib.suppress(OSError):
            self.shutdown(socket.SHUT_RDWR)
        super().close()
        with self._ending:
            if not self._ended_by_itself():
                self._was_ended = True
                end(self._process)
            for thread in self._threads:
                thread.join(_GRACE)
            self._there.close()

    @property
    def failure(self) -> str:
        """Why the command ended by itself; empty if it did not."""
        if self._was_ended or not self._ended_by_itself():
            return ""
        self._threads[-1].join(_GRACE)
        lines = self._last_words.decode("utf-8", "replace").split("\n")
        text = "; ".join([line.strip() for line in lines if line.strip()][-3:])
        return text or f"exit code {self._process.returncode}"

    def _ended_by_itself(self) -> bool:
        """Return whether the command has ended. One that has closed its stdout is about to."""
        if not self._threads[1].is_alive():
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(_GRACE)
        return self._process.poll() is not None

    def _start(self, work: Callable[[Any], None]) -> threading.Thread:
        thread = threading.Thread(target=self._until_it_ends, args=(work,), daemon=True)
        thread.start()
        return thread

    def _until_it_ends(self, work: Callable[[Any], None]) -> None:
        with contextlib.suppress(OSError, ValueError):
            work(self._process)

    def _send(self, process: Any) -> None:
        with process.stdin:
            while data := self._there.recv(_PART):
                process.stdin.write(data)
                process.stdin.flush()

    def _receive(self, process: Any) -> None:
        try:
            with process.stdout:
                while data := process.stdout.read1(_PART):
                    self._there.sendall(data)
        finally:
            self._there.shutdown(socket.SHUT_WR)

    def _hear(self, process: Any) -> None:
        with process.stderr:
            while data := process.stderr.read1(_PART):
                self._last_words += data
                del self._last_words[:-_KEPT]


def expanded(target: Target) -> str:
    """Return a target's proxy command with OpenSSH's %h, %p, %r, %n and %% replaced.

    A shell runs the command, so a value that means something to a shell is quoted.
    """
    values = {
        "h": target.host,
        "n": target.name,
        "p": str(target.port),
        "r": target.user or getpass.getuser(),
    }
    quoted = {letter: shlex.quote(value) for letter, value in values.items()} | {"%": "%"}
    return re.sub("%(.)", lambda found: quoted.get(found[1], found[0]), target.proxy)


def end(process: subprocess.Popen[bytes]) -> None:
    """End a process and all that it started, and wait for it."""
    import psutil

    with contextlib.suppress(psutil.Error):
        found = psutil.Process(process.pid)
        family = [*found.children(recursive=True), found]
        for one in family:
            with contextlib.suppress(psutil.Error):
                one.terminate()
        for one in psutil.wait_procs(family, timeout=_GRACE)[1]:
            with contextlib.suppress(psutil.Error):
                one.kill()
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(_GRACE)
