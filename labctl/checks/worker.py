"""The tests of one node in a process of their own: pytest, testinfra, labctl's connection."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from labctl.checks.report import NodeReport
from labctl.checks.request import Request
from labctl.errors import Interrupted, VerifyError
from labctl.remote.hostkeys import HostKeys

WANTED = "LABCTL_WANTED"
"""Environment variable with the file of what the tests expect."""


_CLEAN_UP = 120.0
"""Seconds that a process has for its clean-up once it was told to stop."""

_GOODBYE = 10.0
"""Seconds that a process without work has to end by itself once it was told to stop."""


@dataclass(frozen=True, slots=True)
class Ended:
    """The last word of a process about a node: no event of it follows."""

    node: str


class _Orders:
    """What this process was told by the one that started it."""

    def __init__(self) -> None:
        self.emit: Callable[[Any], None] = lambda _: None
        self.stopped = False
        self.busy = False
        self.obeyed = False


_orders = _Orders()


def begin(queue: Any, life: Any) -> None:
    """Prepare this process.

    Parameters:
        queue: takes events.
        life: a connection on which nothing comes before its end, which is when the one who started
            this process wants it to stop, or has died. What runs then ends as by Ctrl-C, once.
    """
    _orders.emit = queue.put

    def interrupt(*_: object) -> None:
        # Ctrl-C reaches every process of the terminal, at any time and any number of times.
        if _orders.stopped and _orders.busy and not _orders.obeyed:
            _orders.obeyed = True
            raise KeyboardInterrupt

    def watch() -> None:
        with contextlib.suppress(EOFError, OSError):
            life.recv_bytes()
        _orders.stopped = True
        main = threading.main_thread().ident
        if hasattr(signal, "pthread_kill") and main is not None:
            signal.pthread_kill(main, signal.SIGINT)
        else:
            signal.raise_signal(signal.SIGINT)
        end = time.monotonic() + _CLEAN_UP
        while _orders.busy and time.monotonic() < end:
            time.sleep(0.1)
        # A process whose parent is dead would wait for work without end, as it would for a node
        # that went away. Where the parent lives, it says goodbye in this time.
        time.sleep(_GOODBYE)
        os._exit(0)

    signal.signal(signal.SIGINT, interrupt)
    threading.Thread(target=watch, name="stop", daemon=True).start()


def run(request: Request) -> NodeReport:
    """Run the tests of one node.

    Raises:
        VerifyError: a verify.py cannot be loaded.
        RemoteError: the node cannot be reached.
        Interrupted: the process was told to stop.
    """
    try:
        _orders.busy = True
        if _orders.stopped:
            raise KeyboardInterrupt
        return _run(request)
    except KeyboardInterrupt:
        raise Interrupted("interrupted", node=request.node) from None
    finally:
        _orders.busy = False
        with contextlib.suppress(OSError):  # nobody listens any more
            _orders.emit(Ended(request.node))


def _run(request: Request) -> NodeReport:
    import pytest

    from labctl.checks.pytest_plugin import Plugin
    from labctl.checks.testinfra_backend import Sessions

    os.environ[WANTED] = str(request.wanted)
    sessions = Sessions(
        (request.target, *request.peers), HostKeys(request.known_hosts), request.sudo_password
    )
    plugin = Plugin(request, sessions, _orders.emit)
    try:
        session = sessions[request.node]
        session.run(":")  # one error now if the node does not answer, not one for each test
        for name, command in request.versions:
            code, out, _ = session.run(command)
            if code == 0 and out.strip():
                plugin.properties[name] = out.decode("utf-8", "replace").strip().split("\n")[0]
        request.log.touch(mode=0o600)
        with (
            request.log.open("w", encoding="utf-8") as log,
            contextlib.redirect_stdout(log),
            contextlib.redirect_stderr(log),
        ):
            code = pytest.main(_arguments(request), plugins=[plugin]) if request.files else 0
    finally:
        sessions.close()
    if _orders.stopped:
        raise Interrupted("interrupted", node=request.node)
    if code in (pytest.ExitCode.INTERNAL_ERROR, pytest.ExitCode.USAGE_ERROR):
        raise VerifyError(
            "pytest could not run the tests",
            node=request.node,
            details=request.log.read_text("utf-8", "replace")[-4000:],
            hint="fix the file that is named above",
            log=request.log,
        )
    if plugin.errors:
        raise VerifyError(
            "the checks cannot be loaded",
            node=request.node,
            details="\n".join(plugin.errors)[-4000:],
            hint="fix the file that is named above",
            log=request.log,
        )
    plugin.note_unfinished()
    return NodeReport(request.node, tuple(plugin.checks), plugin.properties)


def _root(files: Iterable[tuple[str, Path]]) -> str:
    """Return the folder from which pytest names the tests: the lowest above all files.

    On Windows they may be on several drives, as those of labctl and of a lab are. There is no such
    folder then, and it is that of the first one's drive; the plugin needs no name to be unique.
    """
    folders = [path.parent.parent for _, path in files]
    drive = folders[0].drive.lower()
    return os.path.commonpath([folder for folder in folders if folder.drive.lower() == drive])


def _arguments(request: Request) -> list[str]:
    return [
        "--import-mode=importlib",
        f"--rootdir={_root(request.files)}",
        f"--config-file={os.devnull}",
        "-p",
        "no:cacheprovider",
        f"--hosts=labctl://{request.node}",
        "--quiet",
        *(["--continue-on-collection-errors"] if request.rehearsal else []),
        *(str(path) for _, path in request.files),
    ]
