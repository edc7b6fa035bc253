"""A node reaches the kit through a connection that labctl keeps."""

from __future__ import annotations

import http.client
import io
import socket
import threading
import time
from collections.abc import Callable
from typing import Any

import paramiko
import pytest

from labctl.errors import ConnectFailed
from labctl.events import Event, Notice
from labctl.kit import supply
from labctl.kit.folder import Kit
from labctl.kit.supply import KitSupply


class Transport:
    """Stands for a transport whose node accepts connections for labctl, or refuses to."""

    def __init__(self, node: Node) -> None:
        self._node = node

    def is_active(self) -> bool:
        return self._node.open

    def listen(self, port: int, serve: Callable[[Any], object]) -> None:
        if self._node.refuses:
            raise paramiko.SSHException("TCP forwarding request denied")
        self._node.served.append(serve)


class Node:
    """Stands for a connection to a node.

    Attributes:
        refuses: its sshd does not listen.
        answers: what the port on the node answers already.
        open: whether the connection is open.
        served: the functions that serve it, one for each time that it listened.
    """

    def __init__(self) -> None:
        self.refuses = False
        self.answers = ""
        self.open = True
        self.ended = False
        self.served: list[Callable[[Any], object]] = []

    @property
    def transport(self) -> Transport:
        self.open = True
        return Transport(self)

    @property
    def is_open(self) -> bool:
        return self.open

    def run(self, _: str) -> bytes:
        return self.answers.encode()

    def broke(self, error: BaseException) -> BaseException:
        return error

    def end(self) -> None:
        self.open, self.ended = False, True


@pytest.fixture
def node(monkeypatch: pytest.MonkeyPatch) -> Node:
    monkeypatch.setattr(supply, "_PAUSE", 0.01)
    monkeypatch.setattr(supply, "_TAKEN_SECONDS", 0.05)
    return Node()


def supplied(kit: Kit | None, node: Node, events: list[Event] | None = None) -> KitSupply:
    connect: Any = lambda name, patience=0.0: node  # noqa: E731
    return KitSupply(lambda: kit, connect, (events if events is not None else []).append)


def ask(serve: Callable[[Any], object], path: str) -> bytes:
    """Ask the kit for a path, over what stands for a channel."""
    here, there = socket.socketpair()

    def work() -> None:
        with there:
            serve(there)

    threading.Thread(target=work, daemon=True).start()
    with here:
        here.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
        answer = http.client.HTTPResponse(here)
        answer.begin()
        return io.BytesIO(answer.read()).read()


def test_a_lab_without_a_kit_needs_no_connection(node: Node) -> None:
    with supplied(None, node) as supply:
        supply.reach("n1")
    assert node.served == []


def test_a_node_reads_files_until_it_ends(kit: Kit, node: Node) -> None:
    with supplied(kit, node) as supply:
        supply.reach("n1")
        supply.reach("n1")
        (serve,) = node.served
        assert ask(serve, "/lab/lab.yaml") == b"nodes: 1\n"
        assert ask(serve, "/digest").decode().strip() == kit.digest
        with supply:  # a command within a command
            pass
        assert not node.ended
    assert node.ended


def test_a_connection_that_breaks_is_made_again(kit: Kit, node: Node) -> None:
    with supplied(kit, node) as supply:
        supply.reach("n1")
        node.open = False
        end = time.monotonic() + 5
        while len(node.served) < 2 and time.monotonic() < end:
            time.sleep(0.01)
        assert len(node.served) == 2


def test_another_labctl_that_serves_the_same_kit_is_enough(kit: Kit, node: Node) -> None:
    node.refuses, node.answers = True, f"{kit.digest}\n"
    with supplied(kit, node) as supply:
        supply.reach("n1")
        # It takes over when the other one ends.
        node.refuses, node.answers = False, ""
        end = time.monotonic() + 5
        while not node.served and time.monotonic() < end:
            time.sleep(0.01)
        assert node.served


@pytest.mark.parametrize(
    ("answers", "hint"), [("something else", "ss -ltnp"), ("", "AllowTcpForwarding")]
)
def test_a_node_that_does_not_allow_it_is_told(
    kit: Kit, node: Node, answers: str, hint: str
) -> None:
    node.refuses, node.answers = True, answers
    with supplied(kit, node) as supply, pytest.raises(ConnectFailed) as error:
        supply.reach("n1")
    assert hint in error.value.hint
    assert error.value.node == "n1"
    assert node.ended


def test_a_damaged_file_is_reported_once(kit: Kit, node: Node) -> None:
    events: list[Event] = []
    (kit.folder / "lab" / "lab.yaml").write_bytes(b"nodes: 9\n")
    with supplied(kit, node, events) as supply:
        supply.reach("n1")
        for _ in range(3):
            assert b"cannot be used" in ask(node.served[0], "/lab/lab.yaml")
    assert len(events) == 1
    assert isinstance(events[0], Notice)
    assert "lab.yaml" in events[0].message
