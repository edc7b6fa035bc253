"""Fixtures of the integration tests: an sshd, and a lab whose nodes it serves."""

from __future__ import annotations

import getpass
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from labctl.remote.hostkeys import HostKeys
from tests.integration.sshd import Sshd
from tests.needs import require


@pytest.fixture(scope="session")
def sshd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sshd]:
    """An sshd that all tests of a session share."""
    require("sshd")
    server = Sshd(tmp_path_factory.mktemp("sshd"))
    server.start()
    yield server
    server.stop()


@pytest.fixture
def lab_folder(sshd: Sshd, tmp_path: Path) -> Path:
    """The folder of a lab with three nodes, all of which are the one sshd."""
    folder = tmp_path / "lab"
    folder.mkdir()
    machines = [
        {
            "name": f"docker-node{number}",
            "host": "127.0.0.1",
            "port": port,
            "user": getpass.getuser(),
            "key": str(sshd.key),
        }
        for number, port in enumerate(sshd.ports, start=1)
    ]
    # JSON is YAML, and quotes whatever a temporary folder may be called.
    (folder / "lab.yaml").write_text(json.dumps({"machines": machines}), "utf-8")
    return folder


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home without keys, and no agent."""
    folder = tmp_path / "home"
    (folder / ".ssh").mkdir(parents=True, mode=0o700)
    monkeypatch.setenv("HOME", str(folder))
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    return folder


@pytest.fixture
def hostkeys(tmp_path: Path) -> HostKeys:
    return HostKeys(tmp_path / "known_hosts")
