"""What a run keeps of a node: what was measured, however it ended; and a look keeps no answer."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from labctl.errors import ChangeFailed
from labctl.lab.actions.node_run import ProvisionOptions, _converge_node
from labctl.lab.state import NodeRecord
from labctl.provision.facts import Facts
from labctl.provision.loader import Playbook
from labctl.provision.play import Play, Plays
from labctl.provision.resources.base import Resource
from labctl.provision.scheduler import Scheduler
from labctl.remote.target import Target
from tests.unit.fakes import CENTOS, FakeLab, FakeMachines, FakeNode, Setting, playbook

ONE = "docker-node1"
FAILING = Setting("a", "1", script="fail no space left")
OTHER = Facts("0000", "aarch64", "centos", "7")


class Reached(FakeNode):
    """A fake node that is connected to."""

    def __enter__(self) -> Reached:
        return self

    def __exit__(self, *_: object) -> None:
        pass


class OneNode(FakeLab):
    """A lab whose only node is a fake one that obeys."""

    def __init__(self, record: NodeRecord) -> None:
        super().__init__(FakeMachines(), nodes=1)
        self.reached = Reached(ONE)
        record.target = Target(ONE, "127.0.0.1")
        self.state.save(ONE, record)

    def connection(self, name: str, *, patience: float = 0.0, timeout: float = 20.0) -> Any:
        return self.reached

    def converge(self, *books: Playbook, **options: Any) -> NodeRecord:
        """Return what is kept of the node after a run."""
        scheduler = Scheduler([ONE], 1, self.stop)
        _converge_node(self, ONE, books, ProvisionOptions(**options), scheduler, 0.0)
        return self.state.node(ONE)


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def asking(name: str, after: Sequence[Resource] = (), before: Sequence[Resource] = ()) -> Playbook:
    """Return a playbook that has one question, whose key is its name."""

    def play(play: Play) -> Plays:
        yield from before
        play.choose(name, f"pass {name}", lambda seen: seen.output)
        yield from after

    return playbook(name, play)


def answers(**given: str) -> dict[str, Any]:
    return {key: {"script": f"pass {key}", "answer": answer} for key, answer in given.items()}


def test_what_was_measured_is_kept() -> None:
    lab = OneNode(NodeRecord())
    record = lab.converge(asking("k"))
    assert (record.facts, record.choices) == (CENTOS, answers(k="k"))


def test_what_was_measured_is_kept_though_a_later_change_fails() -> None:
    lab = OneNode(NodeRecord())
    with pytest.raises(ChangeFailed):
        lab.converge(asking("k", [FAILING]))
    record = lab.state.node(ONE)
    assert (record.facts, record.choices) == (CENTOS, answers(k="k"))
    lab.reached.settings["a"] = "1"
    lab.converge(asking("k"))
    assert lab.reached.sent("pass") == ["pass k"]


def test_a_refresh_of_one_playbook_keeps_the_answers_of_the_others() -> None:
    lab = OneNode(NodeRecord(facts=CENTOS, choices=answers(k="old", l="old")))
    record = lab.converge(asking("k"), asking("l"), refresh=True, only=("l",))
    assert record.choices == answers(k="old", l="l")


def test_a_refresh_that_fails_loses_nothing() -> None:
    lab = OneNode(NodeRecord(facts=CENTOS, choices=answers(k="old", l="old")))
    with pytest.raises(ChangeFailed):
        lab.converge(asking("k", [FAILING]), asking("l"), refresh=True)
    assert lab.state.node(ONE).choices == answers(k="k", l="old")


@pytest.mark.parametrize("before", [(), (Setting("a", "1"),)])
def test_a_look_changes_no_answer(before: Sequence[Resource]) -> None:
    """Both a complete run and one that stopped before a change that the question needs."""
    stored = answers(k="old", l="old")
    lab = OneNode(NodeRecord(facts=CENTOS, choices=stored))
    books = asking("k"), asking("l", before=before)
    record = lab.converge(*books, refresh=True, check=True)
    assert (record.facts, record.choices) == (CENTOS, stored)
    assert lab.reached.sent("pass")[0] == "pass k"
    assert lab.converge(*books).choices == stored


def test_a_look_keeps_what_the_node_is() -> None:
    lab = OneNode(NodeRecord())
    record = lab.converge(asking("k"), check=True)
    assert (record.facts, record.choices) == (CENTOS, {})


def test_a_look_forgets_the_answers_of_a_machine_that_is_gone() -> None:
    """With the facts of the new machine, they would seem to be its own."""
    lab = OneNode(NodeRecord(facts=OTHER, choices=answers(k="old")))
    record = lab.converge(asking("k"), check=True)
    assert (record.facts, record.choices) == (CENTOS, {})
