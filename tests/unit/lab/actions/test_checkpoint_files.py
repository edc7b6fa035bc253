"""`labctl checkpoint export` and `import`: the node comes back, and a file gives boxes."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from labctl.errors import LabctlError, MachineError, UsageError
from labctl.lab import copies
from labctl.lab.actions import checkpoint_files as module
from labctl.lab.actions.checkpoint_files import export, import_
from labctl.machines import box
from labctl.machines.base import MachineState
from labctl.machines.box import Box
from tests.unit.fakes import FakeLab, FakeMachines
from tests.unit.lab.test_checkpoint_file import qcow2

NODE = "docker-node1"
BEFORE = copies.BEFORE


@pytest.fixture
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeLab:
    monkeypatch.setenv("VAGRANT_HOME", str(tmp_path / "vagrant"))
    machines = FakeMachines({NODE: MachineState.RUNNING}, kept={NODE: ["noted"]})
    lab = FakeLab(machines, nodes=2, name="lab")
    lab.state.save_provider("libvirt")
    record = lab.state.node(NODE)
    record.target = machines.target(NODE)
    lab.state.save(NODE, record)
    state = lab.workspace.state / ".vagrant" / "machines" / NODE / "libvirt"
    state.mkdir(parents=True)
    (state / "id").write_text("1234")
    monkeypatch.setattr(module, "prepare", lambda lab, machines: machines.states())
    monkeypatch.setattr(module, "require", lambda lab, clone: machines.calls.append("require"))

    def copy_node(lab: Any, machines: Any, clone: Any, *, again: bool) -> None:
        assert not again
        machines.halt(NODE, emit=lab.emit)
        machines._note("copy")

    def image_of(lab: Any, clone: Any, folder: Path, *, keep: bool) -> Path:
        assert keep
        machines._note("seal")
        (folder / "box").mkdir()
        (folder / "box" / "box.img").write_bytes(qcow2())
        return folder / "box"

    @contextlib.contextmanager
    def started(lab: Any, machines: Any, node: str) -> Iterator[None]:
        yield

    monkeypatch.setattr(module, "copy_node", copy_node)
    monkeypatch.setattr(module, "image_of", image_of)
    monkeypatch.setattr(module, "started", started)
    monkeypatch.setattr(
        "labctl.machines.libvirt_clone.LibvirtClone.remove",
        lambda self: machines.calls.append("remove"),
    )
    return lab


STEPS = [
    *(f"save {NODE} {BEFORE}", f"restore {NODE} noted", "require", f"halt {NODE}", "copy"),
    *(f"restore {NODE} {BEFORE}", f"drop {NODE} {BEFORE}", "seal", "remove"),
]


def test_the_node_is_back_where_it_was(lab: FakeLab, tmp_path: Path) -> None:
    made = export(lab, "noted", tmp_path / "out.tar", [NODE])
    assert lab.fakes.calls == STEPS
    assert lab.fakes.known[NODE] is MachineState.RUNNING
    assert lab.fakes.kept[NODE] == ["noted"]
    assert made.nodes == (NODE,)
    assert made.sha256 == hashlib.sha256((tmp_path / "out.tar").read_bytes()).hexdigest()
    assert not lab.workspace.copies.exists()


def test_a_node_that_was_off_is_off_again(lab: FakeLab, tmp_path: Path) -> None:
    lab.fakes.known[NODE] = MachineState.STOPPED
    export(lab, "noted", tmp_path / "out.tar", [NODE])
    assert lab.fakes.calls[7] == f"halt {NODE}"
    assert lab.fakes.known[NODE] is MachineState.STOPPED


@pytest.mark.parametrize("step", [f"restore {NODE} noted", "copy", "seal"])
def test_a_step_that_fails_brings_the_node_back(lab: FakeLab, tmp_path: Path, step: str) -> None:
    lab.fakes.failing[step] = MachineError("no")
    with pytest.raises(MachineError, match="no"):
        export(lab, "noted", tmp_path / "out.tar", [NODE])
    assert f"restore {NODE} {BEFORE}" in lab.fakes.calls
    assert lab.fakes.kept[NODE] == ["noted"]
    assert not (tmp_path / "out.tar").exists()
    assert not lab.workspace.copies.exists()


def test_killed_at_the_checkpoint_the_next_run_says_how_to_go_back(
    lab: FakeLab, tmp_path: Path
) -> None:
    clone = copies.clone_of(lab, NODE)
    copies.note(clone, BEFORE)
    lab.fakes.kept[NODE].append(BEFORE)
    copies.remove_left(lab)
    command = f"labctl checkpoint restore {BEFORE} --limit {NODE}"
    assert any(command in notice for notice in lab.notices())
    # What somebody does there since then is not thrown away by another export.
    with pytest.raises(UsageError, match="interrupted"):
        export(lab, "noted", tmp_path / "out.tar", [NODE])
    assert f"save {NODE} {BEFORE}" not in lab.fakes.calls


@pytest.mark.parametrize(
    ("name", "limit", "state", "error"),
    [
        ("other", [NODE], MachineState.RUNNING, "unknown checkpoint"),
        ("noted", ["docker-node2"], MachineState.RUNNING, "never brought up"),
        ("noted", [], MachineState.RUNNING, "never brought up"),
        ("noted", ["x"], MachineState.RUNNING, "x"),
        ("noted", [NODE], MachineState.SUSPENDED, "suspended"),
    ],
)
def test_what_cannot_be_exported_touches_nothing(
    lab: FakeLab, tmp_path: Path, name: str, limit: list[str], state: MachineState, error: str
) -> None:
    lab.fakes.known[NODE] = state
    with pytest.raises(LabctlError, match=error):
        export(lab, name, tmp_path / "out.tar", limit)
    assert lab.fakes.calls == []


def test_a_file_is_not_overwritten(lab: FakeLab, tmp_path: Path) -> None:
    (tmp_path / "out.tar").write_text("mine")
    with pytest.raises(UsageError, match="exists"):
        export(lab, "noted", tmp_path / "out.tar", [NODE])
    with pytest.raises(UsageError, match="no folder"):
        export(lab, "noted", tmp_path / "missing" / "out.tar", [NODE])
    assert (tmp_path / "out.tar").read_text() == "mine"
    assert lab.fakes.calls == []


def test_only_machines_of_libvirt(tmp_path: Path) -> None:
    static = FakeLab(FakeMachines(), machines=[{"name": "a", "host": "10.0.0.1", "user": "x"}])
    for other in (static, FakeLab(FakeMachines(), provider="virtualbox")):
        with pytest.raises(UsageError):
            export(other, "noted", tmp_path / "out.tar")
        with pytest.raises(UsageError):
            import_(other, tmp_path / "out.tar")


def test_a_file_gives_a_box_for_each_node(
    lab: FakeLab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "out.tar"
    made = export(lab, "noted", file, [NODE])
    added: list[tuple[str, list[str]]] = []

    def add(lab: Any, machines: Any, one: Box, place: Path) -> Box:
        files = sorted(path.name for path in one.folder.iterdir())
        added.append((one.name, files))
        assert (one.folder / "Vagrantfile").read_text() == module._VAGRANTFILE
        assert one.intact
        return one

    monkeypatch.setattr(copies, "add", add)
    with pytest.raises(UsageError, match="SHA-256 differs"):
        import_(lab, file, "0" * 64)
    assert added == []
    about, boxes = import_(lab, file, made.sha256.upper())
    assert about.checkpoint == "noted"
    assert added == [(f"noted-{NODE}", ["Vagrantfile", "box.img", "metadata.json"])]
    assert boxes[NODE].name == f"noted-{NODE}"
    assert not lab.workspace.copies.exists()
    taken = box.home() / "boxes" / f"noted-{NODE}" / "1" / "libvirt"
    taken.mkdir(parents=True)
    (taken / "metadata.json").write_text("{}")
    with pytest.raises(UsageError, match="already exists"):
        import_(lab, file)
