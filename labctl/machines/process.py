"""A Vagrant command that may be ended: its machine does not boot in time, or the user interrupts.

python-vagrant waits for its commands without a limit and keeps their processes to itself. This runs
one as it does, in the same folder, environment and streams, and holds on to the process.
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
    """A time limit that begins to count when `start` is called.

    Parameters:
        seconds: the limit; None: there is none.
    """

    def __init__(self, seconds: float | None) -> None:
        self._seconds = seconds
        self._guard = threading.Lock()
        self._timer: threading.Timer | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._interrupted = False
        self.passed = False

    def start(self) -> None:
        """Begin to count; a second call changes nothing."""
        with self._guard:
            if self._seconds is None or self._timer is not None:
                return
            self._timer = threading.Timer(self._seconds, self._end)
            self._timer.daemon = True
            self._timer.start()

    def watch(self, process: subprocess.Popen[bytes]) -> None:
        """Say which process the limit is for."""
        self._process = process
        if self._interrupted:  # by a Ctrl-C that it is too young to have got
            self._interrupt()

    def cancel(self) -> None:
        """Stop counting: the process has ended by itself."""
        with self._guard:
            if self._timer is not None:
                self._timer.cancel()

    def interrupt(self) -> None:
        """End the process because the user interrupts labctl; a terminal's Ctrl-C did so already.

        Vagrant takes a second interrupt as the wish to end without cleaning up.
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
        # Vagrant cleans up when it is interrupted; Windows knows only the harder way.
        if sys.platform == "win32":
            process.terminate()
        else:
            process.send_signal(signal.SIGINT)
        return True


def _in_foreground() -> bool:
    """Whether Ctrl-C on a terminal reaches this process and all that it started."""
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
        started: takes the number of its process.

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
