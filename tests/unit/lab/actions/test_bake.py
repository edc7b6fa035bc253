"""`labctl bake`: the order of its steps, and what a failing step leaves behind."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from labctl.errors import ChecksFailed, LabctlError, MachineError, UsageError
from labctl.events import MachineOutput, PhaseEntered
from labctl.lab import copies
from labctl.lab.actions import bake as module
from labctl.lab.actions.bake import bake
from labctl.lab.actions.node_run import NodeRun
from labctl.machines import box, libvirt
from labctl.machines.base import MachineState
from labctl.machines.box import Progress
from labctl.machines.clone import Clone, Machine
from labctl.parallel import Result, Stop
from labctl.remote.target import Target
from tests.unit.fakes import FakeLab, FakeMachines

NODE = "docker-node1"


class FakeClone(Clone):
    """A copy that notes what happens to it among the calls of the machines."""

    calls: list[str]
    failing: dict[str, LabctlError]
    content = b"clean"

    def note(self, call: str) -> None:
        self.calls.append(call)
        if call in self.failing:
            raise self.failing[call]

    def check(self, size: int) -> None:
        self.note("check")

    def create(self, progress: Progress) -> None:
        self.note("create")

    def start(self) -> Target:
        self.note("start")
        return Target(NODE, "10.0.0.9", user="vagrant")

    def wait_off(self) -> None:
        self.note("wait off")

    def disk(self, folder: Path, progress: Progress) -> Path:
        self.note("disk")
        (folder / "disk").write_bytes(self.content)
        return folder / "disk"

    def pack(self, disk: Path, folder: Path, progress: Progress) -> None:
        self.note("pack")
        (folder / "metadata.json").write_text('{"provider": "libvirt"}')
        shutil.copyfile(disk, folder / "box.img")

    def remove(self) -> None:
        self.note("remove")


class Vagrant(FakeMachines):
    """Machines whose Vagrant takes a box from its catalogue."""

    def add_box(self, name: str, place: Path, *, emit: Any) -> None:
        import json
        import tarfile

        super().add_box(name, place, emit=emit)
        catalogue = json.loads(place.read_text())
        (version,) = catalogue["versions"]
        (provider,) = version["providers"]
        folder = box.home() / "boxes" / name / version["version"] / provider["name"]
        folder.mkdir(parents=True)
        file = Path(provider["url"].removeprefix("file://"))
        with tarfile.open(file) as tar:
            tar.extractall(folder, filter="data")
        (folder.parents[1] / "metadata_url").write_text(place.as_uri())
        emit(MachineOutput("", "added"))


@pytest.fixture
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeLab:
    monkeypatch.setenv("VAGRANT_HOME", str(tmp_path / "vagrant"))
    machines = Vagrant({NODE: MachineState.RUNNING})
    lab = FakeLab(machines, nodes=2, name="lab")
    lab.state.save_provider("libvirt")
    record = lab.state.node(NODE)
    record.target = machines.target(NODE)
    lab.state.save(NODE, record)
    state = lab.workspace.state / ".vagrant" / "machines" / NODE / "libvirt"
    state.mkdir(parents=True)
    (state / "id").write_text("1234")
    FakeClone.calls, FakeClone.failing, FakeClone.content = machines.calls, machines.failing, b"ok"
    monkeypatch.setattr(libvirt.Libvirt, "clone", lambda _, machine, stop: FakeClone(machine, stop))
    monkeypatch.setattr(module, "prepare", lambda lab, machines: machines.states())
    monkeypatch.setattr(module, "_pull", lambda lab, node: machines.calls.append("pull"))
    monkeypatch.setattr(module, "up", lambda lab, nodes, options: [Result(nodes[0], NodeRun())])

    def seal(connection: Any, folders: Any, *, keep: bool, progress: Callable[[str], Any]) -> None:
        machines.calls.append(f"seal {connection.target.host} {keep}")
        for line in ("sealing hosts", "wiped 5", "wiped 9", "sealed"):
            progress(line)
        if "seal" in machines.failing:
            raise machines.failing["seal"]

    monkeypatch.setattr(module, "seal", seal)
    connected = lab.connection

    def connection(name: str, **more: Any) -> Any:
        found = connected(name, **more)
        found.run = lambda script: b"1000\n"
        return found

    monkeypatch.setattr(lab, "connection", connection)
    return lab


STEPS = [
    *("pull", "check", f"halt {NODE}", "create", f"up {NODE}", "start"),
    *("seal 10.0.0.9 False", "wait off", "disk", "pack", "add box lab-baked", "remove"),
]


def test_the_node_is_off_only_while_its_disk_is_copied(lab: FakeLab) -> None:
    baked = bake(lab)
    assert lab.fakes.calls == STEPS
    assert lab.fakes.known[NODE] is MachineState.RUNNING
    assert lab.state.node(NODE).settled
    assert baked.box == box.find("lab-baked", "libvirt")
    assert baked.box.intact
    assert baked.digest == baked.box.digest
    assert baked.size == baked.box.size
    assert not lab.workspace.copies.exists()
    # Vagrant would look into a catalogue that is gone.
    assert not (baked.box.folder.parents[1] / "metadata_url").exists()
    notes = [(e.phase, e.note) for e in lab.heard.of(PhaseEntered)]
    assert ("sealing the copy", "hosts") in notes
    assert ("sealing the copy", "5 MB of free space overwritten") in notes


@pytest.mark.parametrize("step", [step for step in STEPS[2:10] if not step.startswith("up")])
def test_whatever_fails_the_node_runs_and_there_is_no_box(lab: FakeLab, step: str) -> None:
    name = "seal" if step.startswith("seal") else step
    lab.fakes.failing[name] = MachineError("no")
    with pytest.raises(MachineError, match="no"):
        bake(lab)
    assert lab.fakes.known[NODE] is MachineState.RUNNING
    assert "remove" in lab.fakes.calls
    assert box.installed("lab-baked") == []
    assert not lab.workspace.copies.exists()
    if step == "create":
        assert lab.fakes.calls[-2:] == [f"up {NODE}", "remove"]


def test_a_copy_that_cannot_be_removed_is_removed_by_the_next_run(lab: FakeLab) -> None:
    lab.fakes.failing["remove"] = MachineError("busy")
    bake(lab)
    assert f"{NODE}: busy" in lab.notices()
    assert (lab.workspace.copies / NODE).is_dir()
    with pytest.raises(MachineError, match="busy"):
        copies.remove_left(lab)
    lab.fakes.failing.clear()
    (lab.workspace.state / ".vagrant" / "machines" / NODE / "libvirt" / "id").unlink()
    copies.remove_left(lab)  # the machine itself may be gone by then
    assert not lab.workspace.copies.exists()
    copies.remove_left(lab)


@pytest.mark.parametrize("left", ["", "{", "[]", '{"id": 1}'])
def test_a_damaged_record_of_a_copy_is_no_obstacle(lab: FakeLab, left: str) -> None:
    folder = lab.workspace.copies / NODE
    folder.mkdir(parents=True)
    (folder / "of.json").write_text(left)
    copies.remove_left(lab)
    assert not lab.workspace.copies.exists()


def test_a_secret_on_the_disk_stops_it(lab: FakeLab) -> None:
    password = lab.secret_store.credential("registry", "student").password
    FakeClone.content = b"x" * 5000 + password.encode() + b"y"
    with pytest.raises(MachineError, match=r"secrets of the lab.*registry\.json"):
        bake(lab)
    assert box.installed("lab-baked") == []
    assert not lab.workspace.copies.exists()


def test_checks_that_fail_stop_it(lab: FakeLab, monkeypatch: pytest.MonkeyPatch) -> None:
    report = type("Report", (), {"failed": (1, 2)})()
    run = Result(NODE, NodeRun(None, report))
    monkeypatch.setattr(module, "up", lambda *_: [run])
    with pytest.raises(ChecksFailed, match="2 checks"):
        bake(lab)
    assert lab.fakes.calls == []


@pytest.mark.parametrize(
    ("node", "name", "message"),
    [
        ("docker-node9", None, "docker-node9"),
        (None, "a/b", "invalid box name 'a/b'"),
        (None, "", "invalid box name ''"),
        (None, "-rf", "invalid box name"),
        (None, "..", "invalid box name"),
        (None, "taken", "the box 'taken' already exists"),
    ],
)
def test_bad_input_touches_nothing(
    lab: FakeLab, node: str | None, name: str | None, message: str
) -> None:
    taken = box.home() / "boxes" / "taken" / "1.0" / "virtualbox"
    taken.mkdir(parents=True)
    (taken / "metadata.json").write_text("{}")
    with pytest.raises(UsageError) as caught:
        bake(lab, node, name)
    assert message in str(caught.value.message)
    assert lab.fakes.calls == []


def test_existing_machines_and_other_providers_cannot(monkeypatch: pytest.MonkeyPatch) -> None:
    static = FakeLab(FakeMachines(), machines=[{"name": "a", "host": "10.0.0.1", "user": "x"}])
    with pytest.raises(UsageError, match="existing machine"):
        bake(static)
    monkeypatch.setattr(libvirt.Libvirt, "clone", lambda *_: None)
    with pytest.raises(UsageError, match="cannot copy machines of libvirt"):
        bake(FakeLab(FakeMachines()))


@pytest.mark.parametrize("where", ["state", "home"])
def test_too_little_space_touches_nothing(
    lab: FakeLab, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    asked = lab.workspace.state if where == "state" else box.home()

    def usage(folder: Path) -> Any:
        free = 1000 if folder == asked else 1 << 40
        return type("Usage", (), {"free": free})

    monkeypatch.setattr("labctl.machines.clone.shutil.disk_usage", usage)
    with pytest.raises(UsageError, match="MB free"):
        bake(lab)
    assert lab.fakes.calls == ["pull", "check"]


def test_the_name_of_a_copy_is_that_of_its_machine(tmp_path: Path) -> None:
    machine = Machine("n", "12-34", tmp_path, "libvirt", Target("n", ""), 1.0)
    assert FakeClone(machine, Stop()).machine.copy_name == "labctl-copy-12-34"
    assert machine.box_folder is None
