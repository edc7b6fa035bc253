"""Checkpoints: names, what is there, and what a node is told after it went back."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from labctl.errors import LabLocked, MachineError, UsageError
from labctl.lab.actions import checkpoints
from labctl.lab.checkpoint_record import CheckpointRecord
from labctl.lab.lab import Lab
from labctl.lab.state import State
from labctl.machines.base import MachineState
from labctl.parallel import Result
from tests.unit.fakes import FakeLab, FakeMachines, outcomes

RUNNING, STOPPED, ABSENT = MachineState.RUNNING, MachineState.STOPPED, MachineState.ABSENT
ONE, TWO = "docker-node1", "docker-node2"
Use = Callable[[Lab, str, Iterable[str]], list[Result[None]]]
USES = [checkpoints.save, checkpoints.restore, checkpoints.delete]


@pytest.fixture
def lab() -> FakeLab:
    return FakeLab(FakeMachines({ONE: RUNNING, TWO: STOPPED}, reachable={TWO: "10.0.0.2"}))


@pytest.mark.parametrize("use", USES)
@pytest.mark.parametrize("name", ["", "-f", "--help", "a b", "a/b", "..", "a\n", "é", "x" * 64])
def test_names_that_cannot_be(lab: FakeLab, use: Use, name: str) -> None:
    with pytest.raises(UsageError, match="invalid checkpoint name"):
        use(lab, name, ())
    assert lab.fakes.calls == []


@pytest.mark.parametrize("name", ["a", "chapter5", "2026-01-01", "before_swarm.2", "x" * 63])
def test_names_that_can_be(lab: FakeLab, name: str) -> None:
    assert outcomes(checkpoints.save(lab, name, ())) == {ONE: "ok", TWO: "ok"}
    listed = {r.node: r.value or [] for r in checkpoints.listed(lab, ())}
    assert {node: [one.name for one in found] for node, found in listed.items()} == {
        ONE: [name],
        TWO: [name],
    }
    assert all(
        abs((one.saved or 0) - time.time()) < 60 for found in listed.values() for one in found
    )


def test_a_checkpoint_of_vagrant_itself_has_no_time(lab: FakeLab) -> None:
    lab.fakes.kept = {ONE: ["theirs"]}
    one, _two = checkpoints.listed(lab, ())
    assert one.value == [checkpoints.Checkpoint("theirs", None)]


def test_the_record_of_checkpoints(tmp_path: Path) -> None:
    record = CheckpointRecord(tmp_path / "checkpoints.json")
    assert record.names() == []
    record.add(ONE, "b")
    record.add(TWO, "a")
    record.add(TWO, "b")
    assert record.names() == ["a", "b"]
    assert record.saved(ONE, "b") is not None
    assert record.saved(ONE, "a") is None
    record.remove(TWO, "a")
    assert record.names() == ["b"]
    record.remove(TWO)
    record.remove(TWO)
    assert record.saved(TWO, "b") is None
    (tmp_path / "checkpoints.json").write_text('{"docker-node1": ["no"], "x": {"a": "b"}}')
    assert record.saved("x", "a") is None
    (tmp_path / "checkpoints.json").write_text("[" * 100_000)
    assert record.names() == []


def test_they_are_not_listed_while_another_labctl_is_at_work(lab: FakeLab) -> None:
    """Its Vagrant would break off if its machine were looked at."""
    with State(lab.workspace).locked("up"), pytest.raises(LabLocked, match="labctl up"):
        checkpoints.listed(lab, ())


def test_a_checkpoint_is_never_overwritten(lab: FakeLab) -> None:
    lab.fakes.kept[ONE] = ["chapter1"]
    results = checkpoints.save(lab, "chapter1", ())
    assert outcomes(results) == {ONE: "the checkpoint 'chapter1' already exists", TWO: "ok"}
    assert lab.fakes.calls == [f"save {TWO} chapter1"]
    (error,) = [result.error for result in results if result.error]
    assert "checkpoint delete chapter1" in error.hint


def test_restore_sets_the_clock_and_notes_the_address(lab: FakeLab) -> None:
    lab.fakes.kept = {ONE: ["a"], TWO: ["a"]}
    lab.hostkeys.record(TWO, "ssh-rsa", "AAAA")
    assert outcomes(checkpoints.restore(lab, "a", [TWO])) == {TWO: "ok"}
    assert lab.fakes.calls == [f"restore {TWO} a"]
    assert lab.target(TWO).host == "10.0.0.2"
    assert lab.connections[TWO].scripts[0].startswith("date -u -s @")
    assert lab.hostkeys.get(TWO) == ("ssh-rsa", "AAAA")


@pytest.mark.parametrize("use", [checkpoints.restore, checkpoints.delete])
@pytest.mark.parametrize(
    ("kept", "hint"),
    [
        ([], "the node has no checkpoints"),
        (["a", "b"], "available: a, b"),
        (["a", "chapter6"], "did you mean chapter6? available: a, chapter6"),
    ],
)
def test_a_checkpoint_that_is_not_there(lab: FakeLab, use: Use, kept: list[str], hint: str) -> None:
    lab.fakes.kept[ONE] = kept
    (result,) = use(lab, "chapter5", [ONE])
    assert isinstance(result.error, UsageError)
    assert result.error.hint == hint
    assert lab.fakes.calls == []


def test_delete_touches_no_node(lab: FakeLab) -> None:
    lab.fakes.kept = {ONE: ["a", "b"]}
    assert outcomes(checkpoints.delete(lab, "a", [ONE])) == {ONE: "ok"}
    assert lab.fakes.kept[ONE] == ["b"]
    assert lab.fakes.known == {ONE: RUNNING, TWO: STOPPED}


@pytest.mark.parametrize("use", USES)
def test_a_lab_that_was_never_brought_up(use: Use) -> None:
    lab = FakeLab(FakeMachines({ONE: ABSENT}))
    with pytest.raises(MachineError, match="not created yet"):
        use(lab, "a", ())
