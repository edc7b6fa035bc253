"""Asking another node: when it has come far enough, until it knows, and not for ever."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, cast

import pytest

from labctl.errors import ConnectFailed, DependencyFailed
from labctl.events import Phase, PhaseEntered
from labctl.lab import peers
from labctl.lab.lab import Lab
from labctl.lab.peers import peer_queries
from labctl.parallel import Stop
from labctl.provision.resources.base import PeerQuery
from labctl.provision.scheduler import Scheduler
from tests.unit.fakes import FakeNode, Heard


class FakeLab:
    """A lab whose one other node is a fake one, or cannot be reached."""

    def __init__(self, manager: FakeNode | None) -> None:
        self.manager = manager
        self.emit = Heard()
        self.stop = Stop()
        self.reached: list[str] = []

    @contextmanager
    def connection(self, name: str) -> Iterator[FakeNode]:
        self.reached.append(name)
        if self.manager is None:
            raise ConnectFailed("no ssh connection", node=name)
        yield self.manager


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(peers, "_PAUSE", 0.01)
    monkeypatch.setattr(peers, "ANSWER_SECONDS", 0.2)


def ask(
    lab: FakeLab, question: PeerQuery, nodes: tuple[str, ...] = ("worker",), through: str = ""
) -> Any:
    scheduler = Scheduler(nodes, 2, lab.stop)
    with scheduler.slot("worker"):
        if through:
            scheduler.on_playbook_done("manager", through)
        return peer_queries(cast(Lab, lab), "worker", scheduler)(question)


def test_a_node_outside_the_run_is_queried_at_once() -> None:
    lab = FakeLab(FakeNode("manager", settings={"token": "abc\n"}))
    assert ask(lab, PeerQuery("manager", "overlay", "get token")) == "abc"
    phases = [(e.node, e.phase) for e in lab.emit.of(PhaseEntered)]
    assert phases == [("worker", Phase.WAITING), ("worker", Phase.PROVISIONING)]


def test_one_of_the_run_that_is_through_need_not_be_spoken_with() -> None:
    lab = FakeLab(None)
    both = ("worker", "manager")
    assert ask(lab, PeerQuery("manager", "registry"), both, through="registry") == ""
    assert lab.reached == []


def test_a_node_outside_the_run_is_contacted_even_without_a_script() -> None:
    """It may be off, which is better detected here than in the change that needs it."""
    with pytest.raises(ConnectFailed) as caught:
        ask(FakeLab(None), PeerQuery("manager", "registry"))
    assert caught.value.message == "worker needs registry from manager: no ssh connection"
    assert caught.value.node == "worker"


def test_it_is_asked_again_until_it_knows() -> None:
    class Late(FakeNode):
        def _obey(self, snippet: str) -> tuple[int, bytes]:
            if len(self.scripts) < 3:
                return 1, b"not yet"
            return 0, b"abc\n"

    node = Late("manager")
    assert ask(FakeLab(node), PeerQuery("manager", "overlay", "get token")) == "abc"
    assert len(node.scripts) == 3


@pytest.mark.parametrize("secret", [True, False])
def test_but_not_without_end_and_a_secret_is_not_printed(secret: bool) -> None:
    lab = FakeLab(FakeNode("manager"))
    with pytest.raises(DependencyFailed) as caught:
        ask(lab, PeerQuery("manager", "overlay", "fail half a token", secret=secret))
    assert "provision --limit manager" in caught.value.hint
    assert ("half a token" in caught.value.details) is not secret


def test_if_a_node_failed_another_is_queried() -> None:
    lab = FakeLab(FakeNode("manager", settings={"store": "healthy"}))
    third = PeerQuery("third", "etcd", "get store")
    assert ask(lab, PeerQuery("manager", "etcd", "fail alone", fallback=third)) == "healthy"
    assert lab.reached == ["manager", "third"]
    assert lab.emit.of(PhaseEntered)[-1].phase == Phase.PROVISIONING


def test_the_last_queried_node_gives_the_reason() -> None:
    third = PeerQuery("third", "etcd", "fail no majority")
    with pytest.raises(DependencyFailed, match="worker needs etcd from third") as caught:
        ask(FakeLab(FakeNode()), PeerQuery("manager", "etcd", "fail alone", fallback=third))
    assert caught.value.details == "no majority"
