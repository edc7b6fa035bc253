"""A connection that is made while labctl is still being loaded: who gets it, and when not."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from labctl.errors import ConnectFailed
from labctl.remote import dial
from labctl.remote.dial import Dial
from labctl.remote.hostkeys import HostKeys
from labctl.remote.ssh import Remote
from labctl.remote.target import Target
from tests.integration.sshd import Sshd


@pytest.fixture
def server() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as found:
        yield found


def target(server: socket.socket) -> Target:
    return Target("a", "127.0.0.1", server.getsockname()[1])


def test_it_is_made_at_once_and_taken_once(server: socket.socket) -> None:
    called = Dial(target(server))
    other, _ = server.accept()
    with other:
        other.sendall(b"SSH-")
        taken = called.take(5)
        assert taken is not None
        with taken:
            assert taken.gettimeout() is None
            assert taken.recv(4) == b"SSH-"
    assert called.take(5) is None


@pytest.mark.parametrize(
    "more", [{"jump": "door"}, {"proxy": "nc a 22"}, {"host": "localhost"}, {"host": "a\0b"}]
)
def test_only_who_is_reached_directly_and_by_address_is_dialled(
    server: socket.socket, more: dict[str, Any]
) -> None:
    assert Dial(replace(target(server), **more)).take(5) is None
    server.settimeout(0.05)
    with pytest.raises(TimeoutError):
        server.accept()


def test_nobody_answers() -> None:
    with socket.create_server(("127.0.0.1", 0)) as gone:
        port = gone.getsockname()[1]
    assert Dial(Target("a", "127.0.0.1", port)).take(5) is None


def test_one_that_nobody_took_for_long_is_ended(
    server: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dial, "_PATIENCE", 0.0)
    called = Dial(target(server))
    other, _ = server.accept()
    time.sleep(0.01)
    assert called.take(5) is None
    with other:
        assert other.recv(1) == b""


def test_one_that_nobody_took_is_closed(server: socket.socket) -> None:
    called = Dial(target(server))
    other, _ = server.accept()
    called.close()
    with other:
        assert other.recv(1) == b""
    assert called.take(5) is None


def test_a_node_is_spoken_with_over_it(sshd: Sshd, tmp_path: Path) -> None:
    """And a connection that broke is made anew, without it."""
    before = sshd.log.count("Accepted publickey")
    keys = HostKeys(tmp_path / "known_hosts")
    with Remote(sshd.target(), keys, dial=Dial(sshd.target())) as remote:
        assert remote.call("echo one")[1] == b"one\n"
        assert sshd.log.count("Accepted publickey") == before + 1
        remote.close()
        assert remote.call("echo two")[1] == b"two\n"
    assert sshd.log.count("Accepted publickey") == before + 2


def test_why_nobody_answers_is_told_as_ever(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as gone:
        nobody = Target("a", "127.0.0.1", gone.getsockname()[1])
    remote = Remote(nobody, HostKeys(tmp_path / "known_hosts"), dial=Dial(nobody))
    with pytest.raises(ConnectFailed, match="does not answer"):
        remote.call("true")
