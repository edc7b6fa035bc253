"""A connection that is made while labctl is still being loaded: who gets it, and when not."""

from __future__ import annotations

import socket
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from labctl.errors import ConnectFailed
from labctl.remote import dial
from labctl.remote.connection import Connection
from labctl.remote.dial import Dial
from labctl.remote.hostkeys import HostKeys
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
    with pytest.raises(ConnectionRefusedError):
        Dial(Target("a", "127.0.0.1", port)).take(5)


@pytest.mark.skipif(sys.platform != "linux", reason="how many may wait is each system's own matter")
def test_one_that_is_not_made_in_time_is_given_up() -> None:
    """A listener that takes nobody, with no room left for who waits: connections stay half made."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as full:
        waiting = [Dial(target(full)) for _ in range(4)]
        began = time.monotonic()
        with pytest.raises(TimeoutError):
            waiting[-1].take(0.2)
        assert time.monotonic() - began < 10
        for one in waiting:
            one.close()


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
    """Nobody listens where the node is said to be; and one that ended is made anew, without it."""
    nowhere = replace(sshd.target(), port=1)
    with Connection(
        nowhere, HostKeys(tmp_path / "known_hosts"), dial=Dial(sshd.target())
    ) as remote:
        assert remote.call("echo one")[1] == b"one\n"
        remote.close()
        with pytest.raises(ConnectFailed):
            remote.call("echo two")


def test_why_nobody_answers_is_told_as_ever(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as gone:
        nobody = Target("a", "127.0.0.1", gone.getsockname()[1])
    remote = Connection(nobody, HostKeys(tmp_path / "known_hosts"), dial=Dial(nobody))
    with pytest.raises(ConnectFailed, match="does not answer"):
        remote.call("true")
