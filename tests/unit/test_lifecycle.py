"""Halt, suspend, resume, reload, sync and destroy, by the states that machines are in."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import pytest

from labctl import lifecycle
from labctl.bringup import prepare
from labctl.errors import LabLocked, MachineError, UsageError
from labctl.events import Phase, PhaseEntered
from labctl.fanout import Result
from labctl.lab import Lab
from labctl.machines.base import MachineState
from labctl.registry import Registry
from labctl.remote.target import Target
from labctl.state import NodeRecord, State
from tests.unit.fakes import FakeLab, FakeMachines, outcomes

RUNNING, STOPPED, SUSPENDED, ABSENT = (
    MachineState.RUNNING,
    MachineState.STOPPED,
    MachineState.SUSPENDED,
    MachineState.ABSENT,
)
ONE, TWO = "docker-node1", "docker-node2"
Use = Callable[[Lab, Iterable[str]], list[Result[None]]]
FOLDERS = [{"host": ".", "guest": "/srv/labs", "type": "rsync"}]


def sync(lab: Lab, limit: Iterable[str]) -> list[Result[None]]:
    return lifecycle.sync(lab, limit, watch=False)


@pytest.mark.parametrize(
    ("use", "state", "called", "outcome"),
    [
        (lifecycle.halt, RUNNING, "halt", "ok"),
        (lifecycle.halt, SUSPENDED, "halt", "ok"),
        (lifecycle.halt, MachineState.UNKNOWN, "halt", "ok"),
        (lifecycle.halt, STOPPED, "", "ok"),
        (lifecycle.suspend, RUNNING, "suspend", "ok"),
        (lifecycle.suspend, SUSPENDED, "", "ok"),
        (lifecycle.suspend, STOPPED, "", "is not running"),
        (lifecycle.resume, SUSPENDED, "resume", "ok"),
        (lifecycle.resume, RUNNING, "", "ok"),
        (lifecycle.resume, STOPPED, "", "is not suspended but off"),
        (lifecycle.reload, RUNNING, "reload", "ok"),
        (lifecycle.reload, STOPPED, "reload", "ok"),
        (sync, RUNNING, "sync", "ok"),
        (sync, STOPPED, "", "is not running"),
        (sync, SUSPENDED, "", "is suspended"),
    ],
)
def test_what_is_done_to_a_machine_in_each_state(
    use: Use, state: MachineState, called: str, outcome: str
) -> None:
    lab = FakeLab(FakeMachines({ONE: state, TWO: ABSENT}), synced_folders=FOLDERS)
    results = use(lab, ())
    assert outcomes(results) == {ONE: outcome}
    assert lab.fakes.calls == ([f"{called} {ONE}"] if called else [])
    assert f"{TWO}: was never brought up and is left out" in lab.notices()
    errors = [result.error for result in results if result.error]
    assert all(error.hint for error in errors)


@pytest.mark.parametrize("use", [lifecycle.halt, lifecycle.suspend, lifecycle.resume, sync])
def test_where_no_machine_is_there_it_is_said(use: Use) -> None:
    lab = FakeLab(FakeMachines({ONE: ABSENT}), synced_folders=FOLDERS)
    with pytest.raises(MachineError, match="no such machine yet") as caught:
        use(lab, ())
    assert "labctl up" in caught.value.hint


def test_only_the_nodes_asked_for() -> None:
    lab = FakeLab(FakeMachines({ONE: RUNNING, TWO: RUNNING}))
    lifecycle.halt(lab, ["*2"])
    assert lab.fakes.known == {ONE: RUNNING, TWO: STOPPED}
    with pytest.raises(UsageError):
        lifecycle.halt(lab, ["docker-node7"])


def test_one_that_fails_does_not_stop_the_others() -> None:
    machines = FakeMachines({ONE: RUNNING, TWO: RUNNING})
    machines.failing[f"halt {ONE}"] = MachineError("stuck")
    lab = FakeLab(machines)
    assert outcomes(lifecycle.halt(lab, ())) == {ONE: "stuck", TWO: "ok"}
    done = [e.node for e in lab.heard.of(PhaseEntered) if e.phase is Phase.DONE]
    failed = [e.node for e in lab.heard.of(PhaseEntered) if e.phase is Phase.FAILED]
    assert (done, failed) == ([TWO], [ONE])


@pytest.mark.parametrize("use", [lifecycle.resume, lifecycle.reload])
def test_a_node_that_wakes_gets_the_time_and_its_new_address(use: Use) -> None:
    lab = FakeLab(FakeMachines({ONE: SUSPENDED}, reachable={ONE: "10.0.0.5"}), nodes=1)
    lab.state.save(ONE, NodeRecord(Target(ONE, "10.0.0.1")))
    assert outcomes(use(lab, ())) == {ONE: "ok"}
    assert lab.target(ONE).host == "10.0.0.5"
    assert lab.remotes[ONE].scripts[0].startswith("date -u -s @")


def test_reload_takes_what_lab_yaml_says_now() -> None:
    lab = FakeLab(FakeMachines({ONE: RUNNING}), nodes=1, memory=2048)
    lifecycle.reload(lab, ())
    assert "2048" in lab.workspace.vagrantfile.read_text()


def test_the_lock_is_held() -> None:
    lab = FakeLab(FakeMachines({ONE: RUNNING}), synced_folders=FOLDERS)
    with lab.state.locked("up"):
        for use in (lifecycle.halt, lifecycle.suspend, lifecycle.resume, lifecycle.reload, sync):
            with pytest.raises(LabLocked):
                use(lab, ())
        # A watch may last for hours and changes nothing of the lab's.
        assert outcomes(lifecycle.sync(lab, (), watch=True)) == {ONE: "ok"}
    assert lab.fakes.calls == [f"watch {ONE}"]


@pytest.mark.parametrize(
    "folders",
    [(), [{"host": ".", "guest": "/srv/x", "type": "disabled"}], [{**FOLDERS[0], "type": "nfs"}]],
)
def test_sync_without_an_rsync_folder_is_refused(folders: Any) -> None:
    lab = FakeLab(FakeMachines({ONE: RUNNING}), synced_folders=folders)
    with pytest.raises(UsageError, match="no folder of this lab is synced by rsync"):
        sync(lab, ())
    assert lab.fakes.calls == []


# -- destroy


@pytest.mark.parametrize(
    ("limit", "names"),
    [
        ((), [ONE, TWO, "old"]),
        (("old",), ["old"]),
        (("docker-*",), [ONE, TWO]),
        (("docker-node2,old",), [TWO, "old"]),
    ],
)
def test_what_destroy_would_remove(limit: tuple[str, ...], names: list[str]) -> None:
    states = {ONE: RUNNING, TWO: STOPPED, "old": SUSPENDED, "never": ABSENT}
    assert lifecycle.doomed(FakeLab(FakeMachines(states)), limit) == names


def test_what_destroy_would_remove_is_not_asked_while_another_labctl_is_at_work() -> None:
    """Its Vagrant would break off if its machine were looked at."""

    class Asked(FakeMachines):
        def states(self, *, wait: bool = True) -> dict[str, MachineState]:
            pytest.fail("Vagrant was asked")

    lab = FakeLab(Asked({ONE: RUNNING}))
    with State(lab.workspace).locked("up"), pytest.raises(LabLocked, match="labctl up"):
        lifecycle.doomed(lab, ())


def test_destroy_of_machines_that_exist_is_refused() -> None:
    lab = FakeLab(FakeMachines(), machines=[{"name": "pc1", "host": "10.0.0.1"}])
    with pytest.raises(UsageError, match="existed before labctl"):
        lifecycle.doomed(lab, ())


def test_destroy_forgets_each_machine_and_in_the_end_the_lab() -> None:
    lab = FakeLab(FakeMachines({ONE: RUNNING, TWO: RUNNING}))
    prepare(lab, lab.fakes)
    for node in (ONE, TWO):
        lab.state.save(node, NodeRecord(Target(node, "10.0.0.1")))
        lab.hostkeys.record(node, "ssh-rsa", "AAAA")
    lab.fakes.failing[f"destroy {TWO}"] = MachineError("busy")
    assert outcomes(lifecycle.destroy(lab, [ONE, TWO])) == {ONE: "ok", TWO: "busy"}
    assert lab.state.known_nodes() == [TWO]
    assert (lab.hostkeys.get(ONE), lab.hostkeys.get(TWO)) == (None, ("ssh-rsa", "AAAA"))
    assert lab.state.provider() == "libvirt"
    assert len(Registry().entries()) == 1
    lab.fakes.failing.clear()
    assert outcomes(lifecycle.destroy(lab, [TWO])) == {TWO: "ok"}
    assert (lab.state.provider(), Registry().entries()) == ("", [])
