"""Who belongs to a lab, without reading lab.yaml: when what was kept is taken, and when not."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from labctl.config import document
from labctl.config.document import Document
from labctl.config.node import Node
from labctl.config.overrides import Override
from labctl.errors import SpecError, UsageError
from labctl.lab import node_list
from labctl.lab.index import Entry, LabIndex
from labctl.lab.lab import Lab
from labctl.lab.workspace import Workspace
from labctl.remote.target import Target

MACHINES = """\
parallel: 3
machines:
  - {name: pc1, host: 10.0.0.1, user: teacher, port: 2222, key: keys/id, jump: door}
  - {name: pc2, host: pc2.example}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "lab.yaml").write_text("nodes: 3\n")
    Workspace.find(str(tmp_path)).make()
    return tmp_path


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[Path | None]:
    """The files that were read since the test began."""
    found: list[Path | None] = []
    read = document.read

    def noted(path: Path | None, *, required: bool = False) -> Document:
        found.append(path)
        return read(path, required=required)

    monkeypatch.setattr(document, "read", noted)
    return found


def opened(folder: Path, **flags: Override) -> Lab:
    return Lab.open(Workspace.find(str(folder)), flags, emit=lambda _: None)


def test_lab_yaml_is_read_once(folder: Path, reads: list[Path | None]) -> None:
    first, second = opened(folder), opened(folder)
    assert len(reads) == 1
    assert second.nodes == first.nodes
    assert second.select() == ["docker-node1", "docker-node2", "docker-node3"]
    assert second.node("docker-node2").address == "192.168.56.12"
    with pytest.raises(UsageError, match="no node 'other'"):
        second.select(["other"])
    assert len(reads) == 1
    assert second.spec == first.spec  # read when it is asked for, and once
    assert second.spec.nodes == 3
    assert len(reads) == 2


def test_machines_that_exist_are_reached_as_before(folder: Path, reads: list[Path | None]) -> None:
    (folder / "lab.yaml").write_text(MACHINES)
    opened(folder)
    lab = opened(folder)
    key = str(folder / "keys/id")
    pc1 = Target("pc1", "10.0.0.1", 2222, "teacher", (key,), "door", existing=True)
    assert lab.target("pc1") == pc1
    assert lab.target("pc2") == Target("pc2", "pc2.example", existing=True)
    assert lab.parallel == 3
    assert not lab.uses_vagrant
    assert lab.nodes == (Node("pc1", "10.0.0.1", 0, 0), Node("pc2", None, 0, 0))
    assert len(reads) == 1


def another_lab(folder: Path) -> None:
    """It has the network that this one would take."""
    (folder / "other").mkdir()
    LabIndex().note(Entry("x", str(folder / "other"), "other", "192.168.56.0/24", ("a",)))


CHANGES: dict[str, Callable[[Path, pytest.MonkeyPatch], object]] = {
    "lab.yaml": lambda f, _: (f / "lab.yaml").write_text("nodes: 1\n"),
    "no lab.yaml": lambda f, _: (f / "lab.yaml").unlink(),
    "flags of earlier runs": lambda f, _: (f / ".labctl/flags.json").write_text('{"cpus": 2}'),
    "another lab": lambda f, _: another_lab(f),
    "another labctl": lambda _, patch: patch.setattr(node_list, "__version__", "0.0.1"),
    "another home": lambda f, patch: patch.setattr(Path, "home", lambda: f / "elsewhere"),
    "damaged": lambda f, _: (f / ".labctl/nodes.json").write_text('{"made_of": 1'),
    "of another shape": lambda f, _: (f / ".labctl/nodes.json").write_text("[]"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_lab_yaml_is_read_again(
    folder: Path, reads: list[Path | None], monkeypatch: pytest.MonkeyPatch, change: str
) -> None:
    opened(folder)
    before = len(reads)
    CHANGES[change](folder, monkeypatch)
    lab = opened(folder)
    assert len(reads) > before
    assert lab.nodes == lab.spec.lab_nodes
    assert (lab.name, lab.parallel) == (lab.spec.name, lab.spec.parallel)


def test_a_flag_of_this_run_counts(folder: Path) -> None:
    opened(folder)
    assert len(opened(folder, nodes=Override(5, "--nodes")).select()) == 5
    assert len(opened(folder).select()) == 3


def test_a_network_that_labctl_chose_is_kept(folder: Path) -> None:
    another_lab(folder)
    assert opened(folder).nodes == opened(folder).nodes
    lab = opened(folder)
    assert lab.node("docker-node1").address == "192.168.57.11"
    assert lab.spec.network == "192.168.57.0/24"


def test_flags_of_virtual_machines_do_not_apply_to_existing_ones(folder: Path) -> None:
    kept = '{"nodes": 3, "cpus": 2, "name": "course", "network": "192.168.57.0/24"}'
    (folder / ".labctl/flags.json").write_text(kept)
    (folder / "lab.yaml").write_text(MACHINES)
    assert opened(folder).spec.node_names == ("pc1", "pc2")


def test_a_mistake_in_lab_yaml_is_reported_each_time(folder: Path) -> None:
    opened(folder)
    (folder / "lab.yaml").write_text("nodes: none\n")
    for _ in range(2):
        with pytest.raises(SpecError):
            opened(folder)


def test_nothing_is_written_where_there_is_no_lab_yet(folder: Path) -> None:
    shutil.rmtree(folder / ".labctl")
    assert len(opened(folder).select()) == 3
    assert not (folder / ".labctl").exists()


def test_a_folder_that_cannot_be_written_does_no_harm(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> object:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("tempfile.mkstemp", full)
    assert len(opened(folder).select()) == 3
