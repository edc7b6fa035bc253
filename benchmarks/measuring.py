"""One run of one program: how long, how much of the processor, how much memory.

The kernel's own account (`wait4`) is used: it holds the program and every child that it waited
for. What a program leaves behind in the background, such as the ssh masters of ControlPersist, is
in nobody's account; those contenders look a little better than they are.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.errors import BenchError


@dataclass(frozen=True)
class Sample:
    """The cost of one run.

    Parameters:
        seconds: by the wall clock, from the start of the program to its end.
        cpu: seconds of processor time of the program and its children, on this machine.
        memory: the greatest resident size of one of its processes, in bytes. The kernel begins its
            count with this process's own size, some 45 MB; less than that is not seen.
    """

    seconds: float
    cpu: float
    memory: int


@dataclass(frozen=True)
class Command:
    """A program to be measured.

    Parameters:
        argv: its words.
        folder: where it runs.
        environment: added to this process's own.
        timeout: seconds after which it is given up.
    """

    argv: Sequence[str]
    folder: Path | None = None
    environment: Mapping[str, str] | None = None
    timeout: float = 1800.0

    def measure(self) -> Sample:
        """Run it once.

        Raises:
            BenchError: it failed; the last lines that it printed are in the text.
        """
        with tempfile.TemporaryFile() as output:
            start = time.monotonic()
            process = subprocess.Popen(
                list(self.argv),
                cwd=self.folder,
                env=self._whole_environment(),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
            clock = threading.Timer(self.timeout, _kill, (process.pid,))
            clock.start()
            try:
                _, status, used = os.wait4(process.pid, 0)
            except BaseException:
                _kill(process.pid)
                raise
            finally:
                clock.cancel()
            seconds = time.monotonic() - start
            process.returncode = os.waitstatus_to_exitcode(status)
            if process.returncode:
                output.seek(0)
                said = output.read().decode("utf-8", "replace")[-4000:]
                raise BenchError(
                    f"{' '.join(map(str, self.argv))[:300]}\nended with {process.returncode}"
                    f" after {seconds:.1f} s:\n{said}"
                )
        return Sample(seconds, used.ru_utime + used.ru_stime, used.ru_maxrss * 1024)

    def output(self) -> str:
        """Run it once, unmeasured; return what it prints.

        Raises:
            BenchError: it failed.
        """
        done = subprocess.run(
            list(self.argv),
            cwd=self.folder,
            env=self._whole_environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=self.timeout,
        )
        if done.returncode:
            raise BenchError(
                f"{' '.join(map(str, self.argv))[:300]}\nended with {done.returncode}:\n"
                f"{done.stdout[-2000:]}{done.stderr[-2000:]}"
            )
        return done.stdout

    def _whole_environment(self) -> dict[str, str]:
        # Every contender runs as it does where it is installed, with compiled modules: the peers
        # have theirs from pip, an editable labctl writes its own at the first run.
        inherited = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
        return inherited | dict(self.environment or {})


def _kill(pid: int) -> None:
    """End a program with all its children."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(pid, signal.SIGKILL)
