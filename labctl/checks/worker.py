"""The entry points of a worker process, which runs pytest for one node at a time."""

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
from labctl.events import Notice
from labctl.remote.hostkeys import HostKeys
from labctl.remote.log import log_to
from labctl.storage import opener

WANTED = "LABCTL_WANTED"
"""Environment variable with the path of the file for the fixture ``wanted``."""

_CLEAN_UP = 120.0
"""Seconds for cleanup after the order to stop."""

_GOODBYE = 10.0
"""Seconds for an idle process to end by itself after the order to stop."""


@dataclass(frozen=True, slots=True)
class Ended:
    """Sent after the last event of a node."""

    node: str


class _Orders:
    """The state of this process, and orders from its parent."""

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
        life: a connection that carries no data. It closes when the parent wants this process to
            stop, or has died. Then the running tests end as after Ctrl-C, once.
    """
    _orders.emit = queue.put

    def interrupt(*_: object) -> None:
        # Ctrl-C reaches every process of the terminal, any number of times.
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
        # Without its parent, this process would wait for work for ever; likewise for a node that
        # is gone. A living parent shuts the process down within this time.
        time.sleep(_GOODBYE)
        os._exit(0)

    signal.signal(signal.SIGINT, interrupt)
    threading.Thread(target=watch, name="stop", daemon=True).start()


def run(request: Request) -> NodeReport:
    """Run the tests of one node.

    Raises:
        VerifyError: a verify.py cannot be loaded.
        RemoteError: the node cannot be reached.
        Interrupted: the parent ordered this process to stop.
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
        with contextlib.suppress(OSError):  # the parent is gone
            _orders.emit(Ended(request.node))


def _run(request: Request) -> NodeReport:
    import pytest

    from labctl.checks.pytest_plugin import Plugin
    from labctl.checks.testinfra_backend import Sessions

    os.environ[WANTED] = str(request.wanted)
    log_to(request.log.with_name("lab.ssh.log"))
    sessions = Sessions(
        (request.target, *request.peers),
        HostKeys(request.known_hosts, lambda node, text: _orders.emit(Notice(node, text))),
        request.passwords,
    )
    plugin = Plugin(request, sessions, _orders.emit)
    try:
        session = sessions[request.node]
        session.run(":")  # one error if the node does not answer, instead of one for each test
        for name, command in request.versions:
            code, out, _ = session.run(command)
            if code == 0 and out.strip():
                plugin.properties[name] = out.decode("utf-8", "replace").strip().split("\n")[0]
        with (
            open(request.log, "w", encoding="utf-8", opener=opener) as log,
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
            hint="fix the file named above",
            log=request.log,
        )
    if plugin.errors:
        raise VerifyError(
            "the checks cannot be loaded",
            node=request.node,
            details="\n".join(plugin.errors)[-4000:],
            hint="fix the file named above",
            log=request.log,
        )
    plugin.note_unfinished()
    return NodeReport(request.node, tuple(plugin.checks), plugin.properties)


def _root(files: Iterable[tuple[str, Path]]) -> str:
    """Return pytest's root folder: the lowest folder above all files.

    On Windows the files of labctl and of a lab may be on several drives, which have no folder in
    common. Then this considers only the drive of the first file.
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
