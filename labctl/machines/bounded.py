"""A Vagrant command that may be ended: when its machine does not boot in time.

python-vagrant waits for its commands without a limit and keeps their processes to itself. This runs
one as it does, in the same folder, environment and streams, and holds on to the process.
"""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
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

    def cancel(self) -> None:
        """Stop counting: the process has ended by itself."""
        with self._guard:
            if self._timer is not None:
                self._timer.cancel()

    def _end(self) -> None:
        if self._process is not None and self._process.poll() is None:
            self.passed = True
            # Vagrant cleans up when it is interrupted; Windows knows only the harder way.
            if sys.platform == "win32":
                self._process.terminate()
            else:
                self._process.send_signal(signal.SIGINT)


def bounded(vagrant: Any, arguments: list[str], deadline: Deadline) -> None:
    """Run a Vagrant command.

    Parameters:
        vagrant: python-vagrant's object: executable, folder, environment and streams.
        arguments: of the command.
        deadline: its limit.

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
            code = process.wait()
        finally:
            deadline.cancel()
    if code:
        raise subprocess.CalledProcessError(code, command)
