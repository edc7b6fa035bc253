"""Run a Vagrant command with a time limit.

python-vagrant waits for its commands without a limit and does not expose their processes. This
module runs a command in the same folder, environment and streams, and keeps the process, so that a
machine that does not boot in time, or Ctrl-C, can end it.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from typing import Any


class Deadline:
    """A time limit that starts counting when `start` is called.

    Parameters:
        seconds: the limit; None: no limit.
    """

    def __init__(self, seconds: float | None) -> None:
        self._seconds = seconds
        self._guard = threading.Lock()
        self._timer: threading.Timer | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._interrupted = False
        self.passed = False

    def start(self) -> None:
        """Start counting; a second call has no effect."""
        with self._guard:
            if self._seconds is None or self._timer is not None:
                return
            self._timer = threading.Timer(self._seconds, self._end)
            self._timer.daemon = True
            self._timer.start()

    def watch(self, process: subprocess.Popen[bytes]) -> None:
        """Set the process that the limit applies to."""
        self._process = process
        if self._interrupted:  # by a Ctrl-C before the process existed
            self._interrupt()

    def cancel(self) -> None:
        """Stop counting, because the process has ended."""
        with self._guard:
            if self._timer is not None:
                self._timer.cancel()

    def interrupt(self) -> None:
        """End the process when the user interrupts labctl, unless the terminal's Ctrl-C reached it.

        A second interrupt would make Vagrant exit without cleaning up.
        """
        self._interrupted = True
        if not _in_foreground():
            self._interrupt()

    def _end(self) -> None:
        self.passed = self._interrupt()

    def _interrupt(self) -> bool:
        process = self._process
        if process is None or process.poll() is not None:
            return False
        # Vagrant cleans up on SIGINT; Windows can only terminate a process.
        if sys.platform == "win32":
            process.terminate()
        else:
            process.send_signal(signal.SIGINT)
        return True


def _in_foreground() -> bool:
    """Return True if Ctrl-C on a terminal reaches this process and its children."""
    if sys.platform == "win32":
        return True
    try:
        terminal = os.open("/dev/tty", os.O_RDONLY | os.O_NOCTTY)
    except OSError:
        return False
    try:
        return os.tcgetpgrp(terminal) == os.getpgrp()
    except OSError:
        return False
    finally:
        os.close(terminal)


def bounded(
    vagrant: Any, arguments: list[str], deadline: Deadline, started: Callable[[int], None]
) -> None:
    """Run a Vagrant command.

    Parameters:
        vagrant: python-vagrant's object: executable, folder, environment and streams.
        arguments: of the command.
        deadline: its limit.
        started: called with its process id.

    Raises:
        subprocess.CalledProcessError: the exit code is not 0.
    """
    command = vagrant._make_vagrant_command(arguments)
    with vagrant.out_cm() as out, vagrant.err_cm() as err:
        process = subprocess.Popen(
            command, cwd=vagrant.root, env=vagrant.env, stdout=out, stderr=err
        )
        deadline.watch(process)
        try:
            started(process.pid)
            code = process.wait()
        finally:
            deadline.cancel()
    if code:
        raise subprocess.CalledProcessError(code, command)
