"""Overlay networks by etcd: nodes that make a store together, with whatever turns they have.

A node's store is up when it has come through the playbook etcd; what is asked of one node about it
is answered as the whole of them would.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import cast

import pytest

from labctl.errors import DependencyFailed, LabctlError
from labctl.lab import peers
from labctl.lab.lab import Lab
from labctl.lab.peers import peer_queries
from labctl.parallel import Result, Stop, each
from labctl.provision.resources.base import Observed
from labctl.provision.scheduler import Scheduler
from tests.unit.fakes import Heard, framed, lab_spec, unframe
from tests.unit.playbooks.test_course import resources
from tests.unit.playbooks.test_course import store as etcd


class Store:
    """A lab as `asker` has it, and at once the root shell of each of its nodes."""

    name = "store"

    def __init__(self, members: Collection[str]) -> None:
        self.members = members
        self.up: set[str] = set()
        self.emit = Heard()
        self.stop = Stop()

    @property
    def healthy(self) -> bool:
        return len(self.up) > len(self.members) // 2

    @contextmanager
    def connection(self, name: str) -> Iterator[Store]:
        yield self

    def run(self, script: str) -> bytes:
        token, snippets = unframe(script)
        assert all("/health" in snippet for snippet in snippets)
        return framed(token, [(0 if self.healthy else 1, b"")] * len(snippets))


def provision(
    tmp_path: Path, count: int, turns: int, failing: Collection[str] = ()
) -> dict[str, Result[bool]]:
    """Provision nodes of which some fail; return whether each met a healthy store in overlay."""
    spec = lab_spec(nodes=count)
    store = Store(etcd.members(spec))
    names = spec.node_names
    scheduler = Scheduler(names, turns, store.stop, ["etcd", "overlay"])
    plans = {}
    for index, name in enumerate(names):
        (command,) = resources(tmp_path, "overlay", ("etcd", "overlay"), index, nodes=count)
        plans[name] = command.plan(Observed(1, ""))

    def one(node: str) -> bool:
        with scheduler.slot(node):
            if node in failing:
                raise LabctlError("no power")
            if node in store.members:
                store.up.add(node)
            scheduler.on_playbook_done(node, "etcd")
            change = plans[node]
            assert change is not None
            if change.query is not None:
                peer_queries(cast(Lab, store), node, scheduler)(change.query)
            healthy = store.healthy
            scheduler.on_playbook_done(node, "overlay")
            return healthy

    return {r.node: r for r in each(names, one, cap=count, stop=store.stop)}


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A node that has come through has its answer: nobody is asked a second time."""
    monkeypatch.setattr(peers, "ANSWER_SECONDS", 0.0)
    monkeypatch.setattr(peers, "_PAUSE", 0.0)
    monkeypatch.setattr("labctl.provision.scheduler._POLL", 0.02)
    monkeypatch.setattr("labctl.provision.scheduler.DEADLINE", 60.0)


@pytest.mark.parametrize("turns", [1, 2, 9])
@pytest.mark.parametrize("count", [1, 2, 3, 4, 6])
def test_every_node_comes_to_a_healthy_store(tmp_path: Path, count: int, turns: int) -> None:
    found = provision(tmp_path, count, turns)
    assert {node: result.value for node, result in found.items()} == dict.fromkeys(found, True)


@pytest.mark.parametrize("turns", [1, 9])
@pytest.mark.parametrize("number", [1, 2, 3])
def test_one_of_three_that_fails_holds_up_no_other(tmp_path: Path, number: int, turns: int) -> None:
    lost = f"docker-node{number}"
    found = provision(tmp_path, 6, turns, [lost])
    assert {node for node, result in found.items() if not result.ok} == {lost}
    assert all(result.value for node, result in found.items() if node != lost)


def test_without_a_majority_nobody_waits_in_vain_for_long(tmp_path: Path) -> None:
    lost = ["docker-node1", "docker-node2"]
    found = provision(tmp_path, 5, 2, lost)
    assert not any(result.ok for result in found.values())
    for node in set(found) - set(lost):
        assert isinstance(found[node].error, DependencyFailed)
