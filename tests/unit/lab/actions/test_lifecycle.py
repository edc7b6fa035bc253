"""Halt, suspend, resume, reload, sync and destroy, by the states that machines are in."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest

from labctl.errors import LabLocked, MachineError, UsageError
from labctl.events import Emit, Phase, PhaseEntered
from labctl.lab.actions import lifecycle
from labctl.lab.boot import BootQueue, prepare, vagrantfile
from labctl.lab.index import LabIndex
from labctl.lab.lab import Lab
from labctl.lab.state import NodeRecord, State
from labctl.machines import providers
from labctl.machines.base import MachineState
from labctl.machines.vagrant import VagrantMachines
from labctl.parallel import Result
from labctl.remote.target import Target
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


@pytest.fixture(autouse=True)
def _rsync(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Put an rsync on PATH: the labs have a folder that needs one, and no test here runs it."""
    folder = tmp_path_factory.mktemp("bin")
    for name in ("rsync", "rsync.exe"):
        (folder / name).touch(mode=0o755)
    monkeypatch.setenv("PATH", os.pathsep.join((str(folder), os.environ["PATH"])))


def sync(lab: Lab, limit: Iterable[str]) -> list[Result[None]]:
    return lifecycle.sync(lab, limit, watch=False)


@pytest.mark.parametrize(
    ("use", "state", "called", "outcome"),
    [
        (lifecycle.halt, RUNNING, "halt", "ok"),
        (lifecycle.halt, SUSPENDED, "", "is suspended"),
        (lifecycle.halt, MachineState.UNKNOWN, "halt", "ok"),
        (lifecycle.halt, STOPPED, "", "ok"),
        (lifecycle.suspend, RUNNING, "suspend", "ok"),
        (lifecycle.suspend, SUSPENDED, "", "ok"),
        (lifecycle.suspend, STOPPED, "", "is not running"),
        (lifecycle.resume, SUSPENDED, "resume", "ok"),
        (lifecycle.resume, RUNNING, "", "ok"),
        (lifecycle.resume, STOPPED, "", "is off, not suspended"),
        (lifecycle.reload, RUNNING, "reload", "ok"),
        (lifecycle.reload, STOPPED, "reload", "ok"),
        (lifecycle.reload, SUSPENDED, "", "is suspended"),
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
    assert f"{TWO}: was never brought up; skipped" in lab.notices()
    errors = [result.error for result in results if result.error]
    assert all(error.hint for error in errors)


@pytest.mark.parametrize("use", [lifecycle.halt, lifecycle.suspend, lifecycle.resume, sync])
def test_where_no_machine_is_there_it_is_said(use: Use) -> None:
    lab = FakeLab(FakeMachines({ONE: ABSENT}), synced_folders=FOLDERS)
    with pytest.raises(MachineError, match="not created yet") as caught:
        use(lab, ())
    assert "labctl up" in caught.value.hint


def test_only_the_requested_nodes() -> None:
    lab = FakeLab(FakeMachines({ONE: RUNNING, TWO: RUNNING}))
    lifecycle.halt(lab, ["*2"])
    assert lab.fakes.known == {ONE: RUNNING, TWO: STOPPED}
    with pytest.raises(UsageError):
        lifecycle.halt(lab, ["docker-node7"])


@pytest.mark.parametrize("name", ["", ",", "docker-node1,", ",docker-node1"])
def test_an_empty_name_does_not_mean_all_nodes(name: str) -> None:
    """Such as that of a variable in the user's shell that is not set."""
    lab = FakeLab(FakeMachines({ONE: RUNNING, TWO: RUNNING}))
    for use in (lifecycle.halt, lifecycle.doomed):
        with pytest.raises(UsageError, match="name of a node is empty"):
            use(lab, [name])
    assert lab.fakes.calls == []


def test_names_differ_by_case_on_every_system() -> None:
    lab = FakeLab(FakeMachines({ONE: RUNNING}))
    with pytest.raises(UsageError, match="no node 'Docker-Node1'"):
        lab.select(["Docker-Node1"])


def test_one_that_fails_does_not_stop_the_others() -> None:
    machines = FakeMachines({ONE: RUNNING, TWO: RUNNING})
    machines.failing[f"halt {ONE}"] = MachineError("stuck")
    lab = FakeLab(machines)
    assert outcomes(lifecycle.halt(lab, ())) == {ONE: "stuck", TWO: "ok"}
    done = [e.node for e in lab.heard.of(PhaseEntered) if e.phase is Phase.DONE]
    failed = [e.node for e in lab.heard.of(PhaseEntered) if e.phase is Phase.FAILED]
    assert (done, failed) == ([TWO], [ONE])


@pytest.mark.parametrize(
    ("use", "state"), [(lifecycle.resume, SUSPENDED), (lifecycle.reload, RUNNING)]
)
def test_a_node_that_wakes_gets_the_time_and_its_new_address(use: Use, state: MachineState) -> None:
    lab = FakeLab(FakeMachines({ONE: state}, reachable={ONE: "10.0.0.5"}), nodes=1)
    lab.state.save(ONE, NodeRecord(Target(ONE, "10.0.0.1")))
    assert outcomes(use(lab, ())) == {ONE: "ok"}
    assert lab.target(ONE).host == "10.0.0.5"
    assert lab.connections[ONE].scripts[0].startswith("date -u -s @")


def test_reload_applies_the_current_lab_yaml() -> None:
    lab = FakeLab(FakeMachines({ONE: RUNNING}), nodes=1, memory=2048)
    lifecycle.reload(lab, ())
    assert "2048" in lab.workspace.vagrantfile.read_text()


def test_what_a_node_has_in_memory_outlives_a_resume_that_failed() -> None:
    lab = FakeLab(FakeMachines({ONE: SUSPENDED}), nodes=1)
    lab.state.save(ONE, NodeRecord(Target(ONE, "10.0.0.1")))
    lab.fakes.failing[f"resume {ONE}"] = MachineError("port 2222 is in use")
    assert outcomes(lifecycle.resume(lab, ())) == {ONE: "port 2222 is in use"}
    bringer = BootQueue(lab, lab.fakes, [ONE])
    bringer.up(ONE)
    assert lab.fakes.calls == [f"resume {ONE}", f"up {ONE}"]  # which lets it go on


def test_a_watch_serves_all_nodes() -> None:
    """None ends by itself, so that none may wait for another."""
    all_there = threading.Barrier(2, timeout=30)

    class Watched(FakeMachines):
        def sync(self, node: str, *, watch: bool, emit: Emit) -> None:
            all_there.wait()

    lab = FakeLab(Watched({ONE: RUNNING, TWO: RUNNING}), synced_folders=FOLDERS, parallel=1)
    assert outcomes(lifecycle.sync(lab, (), watch=True)) == {ONE: "ok", TWO: "ok"}


def test_a_vagrantfile_that_was_lost_is_made_again() -> None:
    lab = FakeLab(FakeMachines({ONE: RUNNING}), nodes=1)
    prepare(lab, lab.fakes)
    text = lab.workspace.vagrantfile.read_text()
    lab.workspace.vagrantfile.unlink()
    assert outcomes(lifecycle.halt(lab, ())) == {ONE: "ok"}
    assert lab.workspace.vagrantfile.read_text() == text


VAGRANT = """\
#!/bin/sh
# Stands for vagrant: it knows the machines that its file names, and says which of them it made.
made() { [ -e ".vagrant/machines/$1/libvirt/id" ]; }
named=$(sed -n 's/^ *{ name: "\\([^"]*\\)".*/\\1/p' Vagrantfile) || exit 1
case $1 in
status)
  for name in $named; do
    if made "$name"; then state=running; else state=not_created; fi
    echo "1,$name,state,$state"
  done;;
destroy)
  for name in $named; do
    if [ "$name" = "$2" ]; then exec rm -r ".vagrant/machines/$2"; fi
  done
  echo "The machine with the name '$2' was not found configured" >&2; exit 1;;
esac
"""


class VagrantLab(FakeLab):
    """A lab whose machines are those of a stand-in for Vagrant."""

    def machines(self) -> Any:
        state = self.workspace.state
        return VagrantMachines(state, providers.get("libvirt"), lambda node: state / f"{node}.log")


@pytest.fixture
def one_of_two(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> VagrantLab:
    """A lab of one node that had two, whose Vagrantfile was lost; both machines are there."""
    if os.name != "posix":
        pytest.skip("the stand-in for vagrant is a shell script")
    programs = tmp_path.with_name(f"{tmp_path.name}-programs")
    programs.mkdir()
    (programs / "vagrant").write_text(VAGRANT)
    (programs / "vagrant").chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}{os.pathsep}{os.environ['PATH']}")
    two = VagrantLab(FakeMachines(), nodes=2)
    prepare(two, two.machines())
    for node in (ONE, TWO):
        note = two.workspace.state / f".vagrant/machines/{node}/libvirt/id"
        note.parent.mkdir(parents=True)
        note.touch()
    assert two.machines().states() == {ONE: RUNNING, TWO: RUNNING}
    two.workspace.vagrantfile.unlink()
    return VagrantLab(FakeMachines(), nodes=1)


def test_a_machine_that_left_is_seen_though_the_vagrantfile_was_lost(
    one_of_two: VagrantLab,
) -> None:
    lab = one_of_two
    for _ in range(2):  # the second run finds it too
        with pytest.raises(UsageError, match=f"{TWO}: these machines exist") as caught:
            prepare(lab, lab.machines())
        assert f"labctl destroy {TWO}" in caught.value.hint
    # As a labctl that did not see it has left the file.
    lab.workspace.vagrantfile.write_text(vagrantfile(lab, "libvirt"))
    with pytest.raises(UsageError, match=f"{TWO}: these machines exist"):
        prepare(lab, lab.machines())
    assert lifecycle.doomed(lab, [TWO]) == [TWO]
    # The other thing that the hint says: the lab has it again.
    raised = VagrantLab(FakeMachines(), nodes=2)
    assert prepare(raised, raised.machines()) == {ONE: RUNNING, TWO: RUNNING}


def test_a_machine_that_left_can_be_destroyed_though_the_vagrantfile_was_lost(
    one_of_two: VagrantLab,
) -> None:
    lab = one_of_two
    assert lifecycle.doomed(lab, ()) == [ONE, TWO]
    assert lifecycle.doomed(lab, [TWO]) == [TWO]
    assert outcomes(lifecycle.destroy(lab, [TWO])) == {TWO: "ok"}
    assert prepare(lab, lab.machines()) == {ONE: RUNNING, TWO: ABSENT}
    assert TWO not in lab.workspace.vagrantfile.read_text()


def test_a_lost_vagrantfile_that_another_command_wrote_again_hides_no_machine(
    one_of_two: VagrantLab,
) -> None:
    with pytest.raises(UsageError, match=f"{TWO}: these machines exist"):
        lifecycle.reload(one_of_two, ())


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
    with pytest.raises(UsageError, match="this lab has no rsync folders"):
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


def test_destroy_does_not_read_machines_while_another_labctl_uses_them() -> None:
    """Its Vagrant would break off if its machine were looked at."""

    class Asked(FakeMachines):
        def states(self, *, wait: bool = True) -> dict[str, MachineState]:
            pytest.fail("Vagrant was asked")

    lab = FakeLab(Asked({ONE: RUNNING}))
    with State(lab.workspace).locked("up"), pytest.raises(LabLocked, match="labctl up"):
        lifecycle.doomed(lab, ())


def test_where_there_is_nothing_to_destroy_the_lab_is_forgotten() -> None:
    """Such as after an `up` that failed, or else no other provider could be chosen."""
    lab = FakeLab(FakeMachines({ONE: ABSENT}))
    lab.state.save_flags({"nodes": 2})
    prepare(lab, lab.fakes)
    assert lifecycle.doomed(lab, ()) == []
    assert (lab.state.provider(), LabIndex().entries()) == ("", [])
    assert lab.state.flags() == {"nodes": 2}


def test_destroy_of_machines_that_exist_is_refused() -> None:
    lab = FakeLab(FakeMachines(), machines=[{"name": "pc1", "host": "10.0.0.1"}])
    with pytest.raises(UsageError, match="does not destroy existing machines"):
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
    assert lab.state.flags().keys() == {"name", "network"}
    assert len(LabIndex().entries()) == 1
    lab.fakes.failing.clear()
    assert outcomes(lifecycle.destroy(lab, [TWO])) == {TWO: "ok"}
    assert lab.state.flags() == {}
    assert (lab.state.provider(), LabIndex().entries()) == ("", [])
