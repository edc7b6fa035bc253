"""Heal: provision, restore a checkpoint, recreate; the gentlest step that helps."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from labctl.checks.report import Check, NodeReport
from labctl.errors import (
    ChecksFailed,
    ConnectFailed,
    Interrupted,
    LabctlError,
    MachineError,
    PlaybookError,
    StateError,
    UsageError,
)
from labctl.events import CheckOutcome
from labctl.lab.actions import heal as module
from labctl.lab.actions.heal import heal
from labctl.lab.actions.node_run import NodeRun
from labctl.lab.state import NodeRecord
from labctl.machines.base import MachineState
from labctl.remote.target import Target
from tests.unit.fakes import FakeLab, FakeMachines

RUNNING, STOPPED, ABSENT = MachineState.RUNNING, MachineState.STOPPED, MachineState.ABSENT
ONE, TWO = "docker-node1", "docker-node2"
GOOD, BAD = "passed", "failed"


class Worked:
    """Stands for provisioning and verifying: it goes each time as the test says."""

    def __init__(self, *ways: str | LabctlError) -> None:
        self.ways = list(ways)

    def __call__(self, lab: Any, node: str, *_: object) -> NodeRun:
        way = self.ways.pop(0)
        if isinstance(way, LabctlError):
            raise way
        check = Check("engine", "test_it", "runs", CheckOutcome(way), "", 0.1)
        return NodeRun(report=NodeReport(node, (check,)))


class NoVerifier:
    def __init__(self, *_: object) -> None: ...

    def __enter__(self) -> NoVerifier:
        return self

    def __exit__(self, *_: object) -> None: ...


Make = Callable[..., FakeLab]


@pytest.fixture
def make(monkeypatch: pytest.MonkeyPatch) -> Make:
    """Return what makes a lab whose node's work goes as told."""

    def of(*ways: str | LabctlError, state: MachineState = RUNNING, **raw: Any) -> FakeLab:
        monkeypatch.setattr(module, "work_on", Worked(*ways))
        monkeypatch.setattr(module, "Verifier", NoVerifier)
        lab = FakeLab(FakeMachines({ONE: state, TWO: RUNNING}), nodes=2, **raw)
        for node in (ONE, TWO):
            if state is not ABSENT or node == TWO:
                lab.state.save(node, NodeRecord(Target(node, "127.0.0.1")))
            lab.hostkeys.record(node, "ssh-rsa", "AAAA")
        return lab

    return of


@pytest.mark.parametrize("state", [RUNNING, STOPPED, MachineState.SUSPENDED, ABSENT])
def test_provisioning_helps(make: Make, state: MachineState) -> None:
    """A node that is merely off is brought up, and nothing on it is lost."""
    lab = make(GOOD, state=state)
    assert heal(lab, ONE, checkpoint=None, rebuild=True).ok
    assert lab.fakes.calls == ([] if state is RUNNING else [f"up {ONE}"])


@pytest.mark.parametrize(
    "way", [BAD, ConnectFailed("no answer"), MachineError("stuck"), ChecksFailed("one")]
)
def test_without_leave_nothing_is_lost(make: Make, way: str | LabctlError) -> None:
    lab = make(way)
    result = heal(lab, ONE)
    assert result.error is not None
    assert lab.fakes.calls == []
    for word in ("--checkpoint", "--rebuild"):
        assert word in result.error.hint


def test_what_was_advised_before_is_still_said(make: Make) -> None:
    result = heal(make(ConnectFailed("no answer", hint="is it up?")), ONE)
    assert result.error is not None
    assert result.error.hint.startswith("is it up?; ")


def test_a_checkpoint_helps(make: Make) -> None:
    lab = make(BAD, GOOD)
    lab.fakes.kept[ONE] = ["a"]
    assert heal(lab, ONE, checkpoint="a", rebuild=True).ok
    assert lab.fakes.calls == [f"restore {ONE} a"]
    assert lab.connections[ONE].scripts[0].startswith("date -u -s @")
    assert lab.hostkeys.get(ONE) is not None


@pytest.mark.parametrize("rebuild", [True, False])
def test_a_checkpoint_does_not_help(make: Make, rebuild: bool) -> None:
    lab = make(BAD, BAD, GOOD)
    lab.fakes.kept[ONE] = ["a"]
    assert heal(lab, ONE, checkpoint="a", rebuild=rebuild).ok is rebuild
    more = [f"destroy {ONE}", f"up {ONE}"] if rebuild else []
    assert lab.fakes.calls == [f"restore {ONE} a", *more]


def test_recreated_and_the_other_is_unchanged(make: Make) -> None:
    lab = make(BAD, GOOD)
    assert heal(lab, ONE, rebuild=True).ok
    assert lab.fakes.calls == [f"destroy {ONE}", f"up {ONE}"]
    assert (lab.hostkeys.get(ONE), lab.hostkeys.get(TWO)) == (None, ("ssh-rsa", "AAAA"))
    assert lab.state.known_nodes() == [ONE, TWO]


@pytest.mark.parametrize("how", [{"rebuild": True}, {"checkpoint": "a", "rebuild": True}, {}])
@pytest.mark.parametrize("state", [RUNNING, STOPPED])
def test_what_an_interrupt_broke_off_is_no_reason_to_lose_the_node(
    make: Make, how: dict[str, Any], state: MachineState
) -> None:
    lab = make(ConnectFailed("the connection broke"), state=state)
    lab.fakes.kept[ONE] = ["a"]
    lab.fakes.failing[f"up {ONE}"] = MachineError("vagrant up failed with exit code 1")
    lab.stop.request()
    result = heal(lab, ONE, **how)
    assert isinstance(result.error, Interrupted)
    assert not [call for call in lab.fakes.calls if call.split()[0] in ("destroy", "restore")]


def test_an_interrupt_during_a_restore_does_not_recreate_the_node(make: Make) -> None:
    lab = make(BAD)
    lab.fakes.kept[ONE] = ["a"]

    def restore(node: str, name: str, *, emit: Any) -> None:
        lab.stop.request()
        raise MachineError("vagrant snapshot restore failed with exit code 1", node=node)

    lab.fakes.restore = restore  # type: ignore[method-assign]
    assert isinstance(heal(lab, ONE, checkpoint="a", rebuild=True).error, Interrupted)
    assert lab.fakes.calls == []


def test_a_machine_that_does_not_come_up_is_recreated(make: Make) -> None:
    lab = make(GOOD, state=STOPPED)
    real = lab.fakes.destroy
    lab.fakes.failing[f"up {ONE}"] = MachineError("the disk is broken", node=ONE)

    def destroy(node: str, **more: Any) -> None:
        lab.fakes.failing.clear()
        real(node, **more)

    lab.fakes.destroy = destroy  # type: ignore[method-assign]
    assert heal(lab, ONE, rebuild=True).ok
    assert lab.fakes.calls == [f"up {ONE}", f"destroy {ONE}", f"up {ONE}"]


def test_even_a_new_one_does_not_pass(make: Make) -> None:
    lab = make(BAD, BAD)
    result = heal(lab, ONE, rebuild=True)
    assert isinstance(result.error, ChecksFailed)
    assert "engine: runs" in result.error.details
    assert lab.fakes.calls == [f"destroy {ONE}", f"up {ONE}"]


@pytest.mark.parametrize("error", [PlaybookError("wrong"), StateError("full"), UsageError("no")])
def test_what_is_not_the_nodes_fault_costs_no_node(make: Make, error: LabctlError) -> None:
    lab = make(error)
    lab.fakes.kept[ONE] = ["a"]
    assert heal(lab, ONE, checkpoint="a", rebuild=True).error is error
    assert lab.fakes.calls == []


def test_what_cannot_be_is_refused_before_the_node_is_touched(make: Make) -> None:
    lab = make()
    with pytest.raises(UsageError, match="no node 'docker-node7'"):
        heal(lab, "docker-node7", rebuild=True)
    with pytest.raises(UsageError, match="unknown checkpoint 'a'") as caught:
        heal(lab, ONE, checkpoint="a", rebuild=True)
    assert caught.value.hint == "the node has no checkpoints"
    lab.fakes.known["old"] = RUNNING
    (lab.workspace.state / ".vagrant").mkdir()
    with pytest.raises(UsageError, match="these machines exist"):
        heal(lab, ONE, rebuild=True)
    assert lab.fakes.calls == []


@pytest.mark.parametrize("how", [{"rebuild": True}, {"checkpoint": "a"}])
def test_a_machine_that_exists_is_only_provisioned(make: Make, how: dict[str, Any]) -> None:
    lab = FakeLab(FakeMachines(), machines=[{"name": "pc1", "host": "10.0.0.1"}])
    with pytest.raises(UsageError, match="is an existing machine"):
        heal(lab, "pc1", **how)
