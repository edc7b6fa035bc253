"""Engines that overlay networks have damaged: on which nodes they are restarted, and when."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from labctl.checks.report import NodeReport
from labctl.checks.request import Request
from labctl.config.packaged import packaged
from labctl.errors import ConnectFailed, Interrupted
from labctl.lab.actions.rehearse import rehearse
from labctl.lab.rehearsal_repair import repair_afterwards
from labctl.lab.state import NodeRecord
from labctl.provision.loader import Playbook, load
from labctl.remote.target import Target
from tests.unit.fakes import CENTOS, FakeLab, FakeMachines, framed, unframe

ONE, TWO, THREE, NEVER = (f"docker-node{number}" for number in (1, 2, 3, 4))
BOOKS = load(("mirrors", "etcd", "overlay"), [packaged("playbooks")])


class Engines:
    """The node behind `labctl.remote.connection.Connection`.

    Parameters:
        answers: the output of the script by node; other nodes are off.
    """

    def __init__(self, answers: dict[str, str]) -> None:
        self.answers = answers
        self.log: list[str] = []
        self.interrupting = False

    @property
    def visited(self) -> list[str]:
        return sorted(entry for entry in self.log if entry.startswith("docker-node"))

    def __call__(self, target: Target, hostkeys: Any, **more: Any) -> Shell:
        return Shell(self, target.name)


class Shell:
    """A node's root shell."""

    def __init__(self, engines: Engines, name: str) -> None:
        self.engines, self.name = engines, name
        self.closed = threading.Event()

    def __enter__(self) -> Shell:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def close(self) -> None:
        self.closed.set()

    end = close

    def run(self, script: str) -> bytes:
        if self.engines.interrupting:
            if self.name == ONE:
                time.sleep(0.2)
                os.kill(os.getpid(), signal.SIGINT)
            assert self.closed.wait(20)
        token, snippets = unframe(script)
        assert len(snippets) == 1
        assert snippets[0].endswith("systemctl restart docker && echo restarted\n")
        if self.name not in self.engines.answers:
            raise ConnectFailed("does not answer", node=self.name)
        self.engines.log.append(self.name)
        return framed(token, [(0, self.engines.answers[self.name].encode())])


@pytest.fixture
def engines(monkeypatch: pytest.MonkeyPatch) -> Engines:
    found = Engines(dict.fromkeys((ONE, TWO), ""))
    monkeypatch.setattr("labctl.remote.connection.Connection", found)
    return found


@pytest.fixture
def lab() -> FakeLab:
    """A lab of four nodes, of which the third is off and the last was never brought up."""
    lab = FakeLab(FakeMachines(), nodes=4, playbooks=["overlay"])
    for name in (ONE, TWO, THREE):
        lab.state.save(name, NodeRecord(Target(name, "127.0.0.1", user="vagrant"), CENTOS))
    return lab


def test_all_engines_are_probed_and_each_restart_is_reported(
    lab: FakeLab, engines: Engines
) -> None:
    engines.answers[ONE] = "Error: No such object: 1a2b\nrestarted\n"
    engines.answers[TWO] = "busy\n"
    with repair_afterwards(lab, [ONE], BOOKS):
        pass
    assert engines.visited == [ONE, TWO]
    one, two = sorted(lab.notices())
    assert one == f"{ONE}: restarted docker: an overlay network had damaged it"
    assert two.startswith(f"{TWO}: some pulls may fail (moby#39372)")
    assert "`sudo systemctl restart docker`" in two


@pytest.mark.parametrize(
    ("raw", "books"), [({"overlay": "swarm"}, BOOKS), ({"overlay": "etcd"}, BOOKS[:2])]
)
def test_a_lab_without_etcd_has_no_restarts(
    engines: Engines, raw: dict[str, Any], books: tuple[Playbook, ...]
) -> None:
    with repair_afterwards(FakeLab(FakeMachines(), nodes=2, **raw), [ONE], books):
        pass
    assert engines.log == []


def test_engines_are_restarted_after_ctrl_c(lab: FakeLab, engines: Engines) -> None:
    """Although the lab's own connections do not open any more."""
    lab.stop.request()
    with pytest.raises(Interrupted, match="interrupted"), repair_afterwards(lab, [ONE], BOOKS):
        raise Interrupted("interrupted")
    assert engines.visited == [ONE, TWO]


@pytest.mark.usefixtures("_own_handler")
def test_a_second_ctrl_c_ends_at_once(lab: FakeLab, engines: Engines) -> None:
    with pytest.raises(KeyboardInterrupt), repair_afterwards(lab, [ONE], BOOKS):
        raise KeyboardInterrupt
    assert engines.log == []
    engines.interrupting = True
    with pytest.raises(Interrupted) as caught, repair_afterwards(lab, [ONE], BOOKS):
        raise Interrupted("interrupted")
    assert "systemctl restart docker" in caught.value.hint
    assert lab.notices() == []


class Pool:
    """Processes in which exercises run, for `labctl.lab.actions.rehearse`."""

    def __init__(self, log: list[str], interrupted: bool) -> None:
        self.log, self.interrupted = log, interrupted
        self.stopped = threading.Event()

    def __enter__(self) -> Pool:
        return self

    def __exit__(self, *_: object) -> None:
        self.log.append("cleaned up")

    def stop(self) -> None:
        self.stopped.set()

    def run(self, request: Request) -> NodeReport:
        if self.interrupted:
            time.sleep(0.2)
            os.kill(os.getpid(), signal.SIGINT)
            assert self.stopped.wait(20)
            raise Interrupted("interrupted", node=request.node)
        return NodeReport(request.node, ())


@pytest.fixture
def _own_handler() -> Iterator[None]:
    """Ctrl-C as Python has it, whatever runs the tests."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("_own_handler")
@pytest.mark.parametrize("interrupted", [False, True])
def test_a_rehearsal_of_one_node_restarts_engines_of_all_nodes_after_cleanup(
    monkeypatch: pytest.MonkeyPatch, lab: FakeLab, engines: Engines, interrupted: bool
) -> None:
    monkeypatch.setattr(
        "labctl.lab.actions.rehearse.WorkerPool", lambda *_: Pool(engines.log, interrupted)
    )
    if interrupted:
        with pytest.raises(Interrupted) as caught:
            rehearse(lab, [ONE], ["network"])
        assert "removed" in caught.value.hint
    else:
        assert rehearse(lab, [ONE], ["network"]).ok
    assert engines.log[0] == "cleaned up"
    assert engines.visited == [ONE, TWO]
