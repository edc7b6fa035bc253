"""The kernel's namespaces: make new ones, enter a process's, and mount things in them.

Python has `os.unshare` and `os.setns` only from 3.12 on.
"""

from __future__ import annotations

import ctypes
import os
import signal
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Never

from tests.testbed.shell import run

NEW_MOUNT = 0x00020000
NEW_PID = 0x20000000
NEW_NET = 0x40000000
_PR_SET_PDEATHSIG = 1
_MS_REC = 0x4000
_MS_PRIVATE = 1 << 18
# What a terminal's key raised goes to the whole foreground group and need not be passed on.
_FROM_KERNEL = 0x80
_PASSED_ON = (
    signal.SIGINT,
    signal.SIGTERM,
    signal.SIGHUP,
    signal.SIGQUIT,
    signal.SIGUSR1,
    signal.SIGUSR2,
)

_libc = ctypes.CDLL(None, use_errno=True)


def _check(result: int, what: str) -> None:
    if result:
        code = ctypes.get_errno()
        raise OSError(code, f"{what}: {os.strerror(code)}")


def unshare(flags: int) -> None:
    """New namespaces for this process; a new PID namespace is for its next child."""
    _check(_libc.unshare(flags), "cannot make new namespaces")
    if flags & NEW_MOUNT:
        _check(
            _libc.mount(None, b"/", None, _MS_REC | _MS_PRIVATE, None),
            "cannot make the mounts private",
        )


def die_with_parent() -> None:
    """Have the kernel kill this process when its parent ends."""
    _check(_libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0), "prctl")


def wait_status(pid: int) -> int:
    """Wait for a child; its exit code, or 128 and the signal that killed it, as a shell's."""
    _, status = os.waitpid(pid, 0)
    code = os.waitstatus_to_exitcode(status)
    return code if code >= 0 else 128 - code


def run_inside(pid: int, command: Sequence[str], environment: dict[str, str]) -> int:
    """Run `command` in the namespaces of process `pid`: same folder, terminal and signals."""
    folder = Path.cwd()
    handle = os.pidfd_open(pid)
    _check(_libc.setns(handle, NEW_NET | NEW_MOUNT | NEW_PID), "cannot enter the world")
    os.close(handle)
    return _supervised(lambda: _execute(command, environment, folder))


def _execute(command: Sequence[str], environment: dict[str, str], folder: Path) -> Never:
    die_with_parent()
    try:
        # Entering a mount namespace moved this process to its root.
        os.chdir(folder)
        os.execvpe(command[0], list(command), environment)
    except OSError as problem:
        os.write(2, f"{command[0]}: {problem.strerror}\n".encode())
        os._exit(127 if isinstance(problem, FileNotFoundError) else 126)


def _supervised(child: Callable[[], Never]) -> int:
    watched = {signal.SIGCHLD, *_PASSED_ON}
    signal.pthread_sigmask(signal.SIG_BLOCK, watched)
    pid = os.fork()
    if pid == 0:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, watched)
        child()
    while True:
        got = signal.sigwaitinfo(watched)
        if got.si_signo == signal.SIGCHLD:
            done, status = os.waitpid(pid, os.WNOHANG)
            if done:
                code = os.waitstatus_to_exitcode(status)
                return code if code >= 0 else 128 - code
        elif got.si_code != _FROM_KERNEL:
            os.kill(pid, got.si_signo)


def mount(kind: str, place: Path, *options: str) -> None:
    """Mount a new file system such as tmpfs, making its mount point if there is none."""
    place.mkdir(parents=True, exist_ok=True)
    run("mount", "-t", kind, *options, kind, place)


def bind(source: Path, place: Path, *, recursive: bool = False) -> None:
    """Show `source` at `place` too."""
    run("mount", "--rbind" if recursive else "--bind", source, place)
