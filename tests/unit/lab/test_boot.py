"""Who is brought up when, and what is refused before a machine is touched."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from labctl.errors import Interrupted, LabctlError, MachineError, UsageError
from labctl.events import Emit, Phase
from labctl.lab.boot import BootQueue, prepare, started
from labctl.lab.definition import LabDefinition
from labctl.lab.index import POOL, Entry, LabIndex, free_name, free_network
from labctl.lab.state import NodeRecord
from labctl.lab.workspace import Workspace
from labctl.machines.base import MachineState
from labctl.parallel import Result, each
from labctl.remote.target import Target
from tests.unit.fakes import FakeLab, FakeMachines, outcomes

RUNNING, STOPPED, SUSPENDED, ABSENT = (
    MachineState.RUNNING,
    MachineState.STOPPED,
    MachineState.SUSPENDED,
    MachineState.ABSENT,
)
NETWORK = "192.168.56.0/24"
ONE, TWO, THREE = NODES = ("docker-node1", "docker-node2", "docker-node3")


def entry(folder: Path, network: str = "192.168.56.0/24") -> Entry:
    return Entry(str(folder), str(folder / ".labctl"), "other", network, ("a",))


# -- prepare


def test_prepare_writes_the_vagrantfile_and_notes_the_lab() -> None:
    lab = FakeLab(FakeMachines(), nodes=2)
    prepare(lab, lab.fakes)
    assert "docker-node2" in lab.workspace.vagrantfile.read_text()
    assert lab.state.provider() == "libvirt"
    (noted,) = LabIndex().entries()
    assert (noted.folder, noted.nodes) == (str(lab.workspace.folder), (ONE, TWO))


def test_prepare_does_not_rewrite_an_equal_vagrantfile() -> None:
    lab = FakeLab(FakeMachines())
    prepare(lab, lab.fakes)
    before = lab.workspace.vagrantfile.stat().st_ino
    prepare(lab, lab.fakes)
    assert lab.workspace.vagrantfile.stat().st_ino == before


def test_prepare_of_machines_that_exist_only_notes_the_lab() -> None:
    machines = [{"name": "pc1", "host": "10.0.0.1"}]
    lab = FakeLab(FakeMachines(), machines=machines)
    prepare(lab, lab.fakes)
    assert not lab.workspace.vagrantfile.exists()
    (noted,) = entries = LabIndex().entries()
    assert (noted.folder, noted.nodes) == (str(lab.workspace.folder), ("pc1",))
    # It keeps no other lab from a network or a name.
    assert free_network(entries) == "192.168.56.0/24"
    assert free_name(noted.name, entries) == noted.name


@pytest.mark.parametrize("state", [RUNNING, STOPPED, SUSPENDED, MachineState.UNKNOWN])
def test_a_machine_that_the_lab_has_no_more_is_not_lost(state: MachineState) -> None:
    lab = FakeLab(FakeMachines({ONE: RUNNING, TWO: state, THREE: ABSENT}), nodes=1)
    (lab.workspace.state / ".vagrant").mkdir()
    with pytest.raises(UsageError, match=f"{TWO}: these machines exist") as caught:
        prepare(lab, lab.fakes)
    assert f"labctl destroy {TWO}" in caught.value.hint
    assert not lab.workspace.vagrantfile.exists()
    assert LabIndex().entries() == []


def test_a_network_of_another_lab_is_refused(tmp_path: Path) -> None:
    (tmp_path / "other" / ".labctl").mkdir(parents=True)
    LabIndex().note(entry(tmp_path / "other", "192.168.56.128/25"))
    lab = FakeLab(FakeMachines(), network="192.168.56.0/24")
    with pytest.raises(UsageError, match="belongs to the lab in") as caught:
        prepare(lab, lab.fakes)
    assert str(tmp_path / "other") in caught.value.message
    assert not lab.workspace.vagrantfile.exists()


def test_a_network_of_another_lab_is_refused_to_nodes_with_addresses(tmp_path: Path) -> None:
    (tmp_path / "other" / ".labctl").mkdir(parents=True)
    LabIndex().note(entry(tmp_path / "other"))
    lab = FakeLab(FakeMachines(), nodes=[{"name": "a", "address": "192.168.56.20"}])
    with pytest.raises(UsageError, match="belongs to the lab in") as caught:
        prepare(lab, lab.fakes)
    assert "leave" not in caught.value.hint
    assert "addresses" in caught.value.hint


def test_a_further_network_of_another_lab_is_refused(tmp_path: Path) -> None:
    (tmp_path / "other" / ".labctl").mkdir(parents=True)
    LabIndex().note(replace(entry(tmp_path / "other"), further=("10.20.0.0/16",)))
    lab = FakeLab(FakeMachines(), nodes=1, network=POOL[1], networks=[{"network": "10.20.1.0/24"}])
    with pytest.raises(UsageError, match=r"10\.20\.1\.0/24 already belongs") as caught:
        prepare(lab, lab.fakes)
    assert "under 'networks'" in caught.value.hint


def test_of_labs_that_come_up_at_once_only_one_gets_the_network(tmp_path: Path) -> None:
    labs = [entry(tmp_path / str(number)) for number in range(8)]
    for lab in labs:
        Path(lab.state).mkdir(parents=True)
    with ThreadPoolExecutor(len(labs)) as pool:
        others = list(pool.map(lambda lab: LabIndex().claim(lab), labs))
    (first,) = (lab for lab, other in zip(labs, others, strict=True) if other is None)
    assert LabIndex().entries() == [first]
    assert {other.lab for other in others if other is not None} == {first}


def test_machines_keep_a_name_and_network_that_labctl_chose(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    for folder in (here, there / ".labctl"):
        folder.mkdir(parents=True)
    monkeypatch.chdir(here)
    lab = FakeLab(FakeMachines(), nodes=1, name="course", network=NETWORK)
    prepare(lab, lab.fakes)
    LabIndex().strike(lab.workspace.state)
    LabIndex().note(Entry(str(there), str(there / ".labctl"), "course", NETWORK, ("a",)))
    monkeypatch.chdir(tmp_path)
    folder = here.rename(tmp_path / "moved")
    moved = LabDefinition(Workspace(folder, None, folder / ".labctl"), {}).read()
    assert (moved.name, moved.network) == ("course", NETWORK)


def test_the_network_of_a_lab_that_is_gone_is_only_warned_of(tmp_path: Path) -> None:
    LabIndex().note(entry(tmp_path / "gone"))
    lab = FakeLab(FakeMachines(), network="192.168.56.0/24")
    prepare(lab, lab.fakes)
    assert any(str(tmp_path / "gone") in notice for notice in lab.notices())
    assert lab.workspace.vagrantfile.exists()


# -- BootQueue


def bring(lab: FakeLab, nodes: tuple[str, ...]) -> list[Result[None]]:
    bringer = BootQueue(lab, lab.fakes, nodes)
    return each(nodes, bringer.up, cap=8, stop=lab.stop)


@pytest.mark.parametrize(
    ("states", "known", "brought"),
    [
        ({}, (), [ONE]),
        ({ONE: ABSENT}, (ONE,), [ONE]),
        ({ONE: STOPPED}, (ONE,), [ONE]),
        ({ONE: SUSPENDED}, (ONE,), [ONE]),
        ({ONE: RUNNING}, (ONE,), []),
        ({ONE: MachineState.EXISTING}, (), []),
        ({ONE: MachineState.UNKNOWN}, (ONE,), [ONE]),
    ],
)
def test_only_what_does_not_answer_is_brought_up(
    states: dict[str, MachineState], known: tuple[str, ...], brought: list[str]
) -> None:
    lab = FakeLab(FakeMachines(states, reachable={ONE: "10.0.0.9"}))
    for node in known:
        lab.state.save(node, NodeRecord(Target(node, "10.0.0.1")))
    assert outcomes(bring(lab, (ONE,))) == {ONE: "ok"}
    assert lab.fakes.calls == [f"up {node}" for node in brought]
    if brought:
        target = lab.state.node(ONE).target
        assert target is not None
        assert target.host == "10.0.0.9"


def test_a_machine_whose_start_was_not_seen_is_started_again() -> None:
    """labctl was killed while it booted: Vagrant would take it as it is, half configured."""
    lab = FakeLab(FakeMachines({ONE: RUNNING}, reachable={ONE: "10.0.0.9"}))
    assert outcomes(bring(lab, (ONE,))) == {ONE: "ok"}
    assert lab.fakes.calls == [f"reload {ONE}"]
    assert lab.target(ONE).host == "10.0.0.9"
    assert outcomes(bring(lab, (ONE,))) == {ONE: "ok"}
    assert lab.fakes.calls == [f"reload {ONE}"]


@pytest.mark.parametrize("state", [RUNNING, SUSPENDED, STOPPED])
def test_a_start_whose_end_was_not_seen_is_repeated(state: MachineState) -> None:
    """labctl was killed while it started a machine that it knew; one that is off boots anyway."""
    lab = FakeLab(FakeMachines({ONE: state}))
    lab.state.save(ONE, NodeRecord(Target(ONE, "10.0.0.1"), settled=False))
    assert outcomes(bring(lab, (ONE,))) == {ONE: "ok"}
    assert lab.fakes.calls == [f"up {ONE}" if state is STOPPED else f"reload {ONE}"]
    assert lab.state.node(ONE).settled


def test_a_resumed_machine_is_not_started_again() -> None:
    """labctl was killed while it resumed a machine: all that a boot makes is there already."""
    lab = FakeLab(FakeMachines({ONE: RUNNING}, reachable={ONE: "10.0.0.9"}))
    lab.state.save(ONE, NodeRecord(Target(ONE, "10.0.0.1"), resuming=True))
    assert outcomes(bring(lab, (ONE,))) == {ONE: "ok"}
    assert lab.fakes.calls == []
    assert lab.target(ONE).host == "10.0.0.9"
    assert lab.connections[ONE].scripts[0].startswith("date -u -s @")
    assert not lab.state.node(ONE).resuming


def test_a_failed_start_is_repeated() -> None:
    lab = FakeLab(FakeMachines({ONE: STOPPED}))
    lab.state.save(ONE, NodeRecord(Target(ONE, "10.0.0.1")))
    lab.fakes.failing[f"up {ONE}"] = MachineError("no address", node=ONE)
    assert outcomes(bring(lab, (ONE,))) == {ONE: "no address"}
    lab.fakes.known[ONE] = RUNNING  # it boots all the same, without what Vagrant does then
    lab.fakes.failing.clear()
    assert outcomes(bring(lab, (ONE,))) == {ONE: "ok"}
    assert lab.fakes.calls[-1] == f"reload {ONE}"


@pytest.mark.parametrize(
    ("state", "kept"), [(ABSENT, False), (STOPPED, True), (SUSPENDED, True), (RUNNING, True)]
)
def test_a_host_key_is_forgotten_only_with_its_machine(state: MachineState, kept: bool) -> None:
    lab = FakeLab(FakeMachines({ONE: state}))
    lab.hostkeys.record(ONE, "ssh-rsa", "AAAA")
    bring(lab, (ONE,))
    assert (lab.hostkeys.get(ONE) is not None) is kept


@pytest.mark.parametrize(("state", "set_"), [(ABSENT, False), (STOPPED, False), (SUSPENDED, True)])
def test_a_clock_that_stood_still_is_set(state: MachineState, set_: bool) -> None:
    lab = FakeLab(FakeMachines({ONE: state}))
    bring(lab, (ONE,))
    scripts = lab.connections[ONE].scripts if ONE in lab.connections else []
    assert any(script.startswith("date -u -s @") for script in scripts) is set_


class Slow(FakeMachines):
    """Machines that tell who was at work when another one began."""

    def __init__(self, *, says_when_it_boots: bool = True) -> None:
        super().__init__()
        self.says = says_when_it_boots
        self.at_work: set[str] = set()
        self.beside: dict[str, set[str]] = {}
        self.others_wait: Callable[[], bool] = lambda: True
        self.guard = threading.Lock()

    def up(self, node: str, *, emit: Emit, booting: Callable[[], None]) -> Target:
        with self.guard:
            self.beside[node] = set(self.at_work)
            self.at_work.add(node)
        try:
            deadline = time.monotonic() + 60
            while not self.others_wait() and time.monotonic() < deadline:
                time.sleep(0.01)
            if f"up {node}" in self.failing:
                raise self.failing[f"up {node}"]
            with self.guard:
                self.at_work.discard(node)
            target = super().up(node, emit=emit, booting=booting if self.says else lambda: None)
            time.sleep(0.05)
            return target
        finally:
            with self.guard:
                self.at_work.discard(node)


def waits_for(lab: FakeLab, machines: Slow, *nodes: str) -> Callable[[], set[str]]:
    """Let the first machine take until these nodes wait; return what tells who has waited."""

    def waiting() -> set[str]:
        return {e.node for e in list(lab.heard) if getattr(e, "phase", "") is Phase.WAITING}

    machines.others_wait = lambda: waiting() >= set(nodes)
    return waiting


@pytest.mark.parametrize("says", [True, False])
def test_the_first_is_made_alone(says: bool) -> None:
    machines = Slow(says_when_it_boots=says)
    lab = FakeLab(machines, nodes=3)
    waiting = waits_for(lab, machines, TWO, THREE)
    assert set(outcomes(bring(lab, NODES)).values()) == {"ok"}
    assert machines.calls[0] == f"up {ONE}"
    assert machines.beside[ONE] == set()
    assert all(ONE not in machines.beside[node] for node in (TWO, THREE))
    assert waiting() == {TWO, THREE}


def test_if_the_first_fails_the_second_is_made_alone() -> None:
    machines = Slow()
    machines.failing[f"up {ONE}"] = MachineError("no room", node=ONE)
    lab = FakeLab(machines, nodes=3)
    waits_for(lab, machines, TWO, THREE)
    assert outcomes(bring(lab, NODES)) == {ONE: "no room", TWO: "ok", THREE: "ok"}
    assert machines.beside[ONE] == machines.beside[TWO] == set()


def test_all_fail_and_none_waits_without_end() -> None:
    machines = Slow()
    machines.failing = {f"up {node}": MachineError("no room", node=node) for node in NODES}
    lab = FakeLab(machines, nodes=3)
    assert set(outcomes(bring(lab, NODES)).values()) == {"no room"}


def test_after_an_interrupt_no_machine_is_begun() -> None:
    class Interrupts(Slow):
        def up(self, node: str, *, emit: Emit, booting: Callable[[], None]) -> Target:
            while not self.others_wait():
                time.sleep(0.01)
            lab.stop.request()
            raise MachineError("ended by an interrupt", node=node)

    machines = Interrupts()
    lab = FakeLab(machines, nodes=3)
    waits_for(lab, machines, TWO, THREE)
    errors: dict[str, LabctlError | None] = {r.node: r.error for r in bring(lab, NODES)}
    assert isinstance(errors[TWO], Interrupted)
    assert isinstance(errors[THREE], Interrupted)
    assert machines.calls == []


def test_what_failed_can_be_tried_again() -> None:
    lab = FakeLab(FakeMachines(failing={f"up {ONE}": MachineError("no room", node=ONE)}))
    assert outcomes(bring(lab, (ONE,))) == {ONE: "no room"}
    assert lab.state.node(ONE).target is None
    lab.fakes.failing.clear()
    assert outcomes(bring(lab, (ONE,))) == {ONE: "ok"}


def test_after_a_wake_the_address_is_noted_and_the_clock_set() -> None:
    lab = FakeLab(FakeMachines({ONE: RUNNING}, reachable={ONE: "10.0.0.7"}))
    lab.state.save(ONE, NodeRecord(Target(ONE, "10.0.0.1"), choices={"a": {"answer": 1}}))
    before = int(time.time())
    with started(lab, lab.fakes, ONE):
        assert not lab.state.node(ONE).settled
    record = lab.state.node(ONE)
    assert record.settled
    assert record.target is not None
    assert (record.target.host, record.choices) == ("10.0.0.7", {"a": {"answer": 1}})
    (script,) = lab.connections[ONE].scripts
    assert before <= int(script.split("@")[1].split()[0]) <= time.time()


def test_the_users_ruby_file_is_read_when_the_vagrantfile_is_written() -> None:
    """Other commands run Vagrant with what was rendered, whatever the file has become."""
    file = Path("extra.rb")
    file.write_text("# mine\n", "utf-8")
    lab = FakeLab(FakeMachines(), vagrantfile="extra.rb")
    prepare(lab, lab.fakes)
    assert r'eval "\# mine\n", binding, "extra.rb"' in lab.workspace.vagrantfile.read_text("utf-8")
    file.write_bytes(b"caf\xe9")
    with pytest.raises(UsageError, match=r"extra\.rb cannot be read: it is not UTF-8"):
        prepare(lab, lab.fakes)
    file.unlink()
    with pytest.raises(UsageError, match=r"extra\.rb cannot be read: No such file"):
        prepare(lab, lab.fakes)
