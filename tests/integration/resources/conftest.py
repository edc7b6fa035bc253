"""Fixtures of the resources' tests: the shells, the stand-ins, and a small web server."""

from __future__ import annotations

import functools
import http.server
import os
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.resources.local_shell import (
    SHELLS,
    LocalShell,
)
from tests.integration.resources.stand_ins import (
    JOURNALCTL,
    RPM,
    SYSTEMCTL,
    USERS,
    YUM,
    StandIns,
)
from tests.needs import require


@pytest.fixture(scope="session", autouse=True)
def linux() -> None:
    """Skip except on Linux: the scripts need GNU's stat."""
    if not sys.platform.startswith("linux"):
        pytest.skip("the scripts are for Linux, with GNU's stat")


@pytest.fixture(params=SHELLS)
def shell(request: pytest.FixtureRequest, tmp_path: Path) -> LocalShell:
    """Each shell of this machine in turn."""
    return LocalShell(tmp_path, request.param)


@pytest.fixture
def here(tmp_path: Path) -> LocalShell:
    """This machine's sh, for tests that need not be run in every shell."""
    return LocalShell(tmp_path)


@pytest.fixture
def stand_ins(shell: LocalShell, monkeypatch: pytest.MonkeyPatch) -> StandIns:
    """A shell whose systemctl, yum, rpm and user database are stand-ins."""
    if shell.program == "busybox":
        pytest.skip("busybox runs its own programs instead of those on PATH")
    programs, state = shell.folder / "bin", shell.folder / "state"
    programs.mkdir()
    state.mkdir()
    found = {"systemctl": SYSTEMCTL, "journalctl": JOURNALCTL, "yum": YUM, "rpm": RPM, **USERS}
    for name, text in found.items():
        (programs / name).write_text(text)
        (programs / name).chmod(0o755)
    shell.environment = {
        "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}",
        "STATE": str(state),
    }
    for place in ("base", "atomic_write", "service"):
        monkeypatch.setattr(
            f"labctl.provision.resources.{place}.PENDING", str(shell.folder / "pending")
        )
    return StandIns(state, shell)


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, str]]:
    """A folder, and the URL under which it is served on this machine."""
    require("curl")
    folder = tmp_path_factory.mktemp("served")
    handler = functools.partial(_Quiet, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield folder, f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()
