"""Where a lab's things are."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from labctl.config.packaged import packaged
from labctl.errors import StateError, UsageError
from labctl.lab.workspace import Workspace


def lab(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "lab.yaml").touch()
    return folder


def test_an_empty_folder_is_a_lab_to_be(tmp_path: Path) -> None:
    found = Workspace.find()
    assert (found.folder, found.spec_file) == (Path.cwd(), None)
    assert found.state == Path.cwd() / ".labctl"
    assert not found.state.exists()


def test_the_nearest_lab_above_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    outer, inner = lab(tmp_path / "a"), lab(tmp_path / "a" / "b")
    deep = inner / "c" / "d"
    deep.mkdir(parents=True)
    for here, expected in ((deep, inner), (inner, inner), (outer, outer)):
        monkeypatch.chdir(here)
        assert Workspace.find().folder.resolve() == expected.resolve()


def test_a_lab_without_lab_yaml_is_found_by_its_state(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a" / ".labctl" / "nodes").mkdir(parents=True)
    (tmp_path / "a" / "b").mkdir()
    monkeypatch.chdir(tmp_path / "a" / "b")
    assert Workspace.find().folder == tmp_path / "a" / "b"  # a bare state folder is no lab
    (tmp_path / "a" / ".labctl" / "nodes" / "docker-node1.json").write_text("{}")
    monkeypatch.chdir(tmp_path / "a" / "b")
    found = Workspace.find()
    assert found.folder.resolve() == (tmp_path / "a").resolve()
    assert found.spec_file is None


@pytest.mark.parametrize("relative", [True, False])
def test_a_lab_by_name(tmp_path: Path, relative: bool) -> None:
    folder = lab(tmp_path / "my lab")
    named = "my lab" if relative else str(folder)
    found = Workspace.find(named)
    assert (found.folder, found.spec_file) == (folder, folder / "lab.yaml")
    assert found.state == folder / ".labctl"


@pytest.mark.skipif(os.name == "nt", reason="links take a privilege there, and are not resolved")
def test_every_way_to_a_lab_leads_to_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = lab(tmp_path.resolve() / "course")
    (folder / "other.yaml").symlink_to(folder / "lab.yaml")
    (tmp_path / "link").symlink_to(folder)
    (tmp_path / "x").mkdir()
    monkeypatch.chdir(tmp_path / "x")
    for way in ("../course", "../link", str(tmp_path / "link"), "../x/../course/lab.yaml"):
        found = Workspace.find(way)
        assert (found.folder, found.state) == (folder, folder / ".labctl")
    assert Workspace.find("../link/other.yaml").spec_file == folder / "other.yaml"
    monkeypatch.setenv("LABCTL_STATE_DIR", "../link/state")
    assert Workspace.find("../course").state == folder / "state"


def test_a_file_by_name(tmp_path: Path) -> None:
    other = lab(tmp_path / "a") / "other.yaml"
    other.touch()
    found = Workspace.find(str(other))
    assert (found.folder, found.spec_file) == (tmp_path / "a", other)


def test_a_home_folder_by_name(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    lab(tmp_path / "lab")
    assert Workspace.find("~/lab").folder == tmp_path / "lab"


def test_the_home_of_nobody_is_no_home() -> None:
    with pytest.raises(UsageError, match="no such lab"):
        Workspace.find("~no-such-user/lab")


@pytest.mark.skipif(os.name == "nt", reason="a folder in use cannot be removed there")
def test_a_working_folder_that_is_gone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "gone"
    folder.mkdir()
    monkeypatch.chdir(folder)
    folder.rmdir()
    with pytest.raises(UsageError, match="this folder is not accessible") as caught:
        Workspace.find()
    assert "--lab" in caught.value.hint


def test_a_name_of_nothing() -> None:
    with pytest.raises(UsageError, match="nowhere: no such lab") as caught:
        Workspace.find("nowhere")
    assert "--lab" in caught.value.hint


def test_the_state_may_be_elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LABCTL_STATE_DIR", "else/where")
    found = Workspace.find(str(lab(tmp_path / "a")))
    assert found.state == tmp_path / "else" / "where"
    assert found.vagrantfile.parent == found.known_hosts.parent == found.state
    found.make()
    assert found.state.is_dir()


def test_every_place_of_the_state_is_below_it(tmp_path: Path) -> None:
    found = Workspace(tmp_path, None, tmp_path / "state")
    places = [found.node("a"), found.log("a", "vagrant")]
    for name in dir(type(found)):
        if name.startswith("__"):
            continue
        value = getattr(found, name)
        if isinstance(value, Path) and name not in ("folder", "state", "spec_file"):
            places.append(value)
    assert len(places) >= 10
    assert all(place.is_relative_to(found.state) for place in places)
    assert len(set(places)) == len(places)


def test_the_labs_own_come_before_the_packaged(tmp_path: Path) -> None:
    found = Workspace(tmp_path, None, tmp_path / "state")
    assert found.templates == (tmp_path / "templates", packaged("templates"))
    assert found.playbooks == (tmp_path / "playbooks", packaged("playbooks"))
    assert (packaged("templates") / "Vagrantfile.j2").is_file()


@pytest.mark.skipif(os.name != "posix", reason="Windows has no such permissions")
@pytest.mark.parametrize(("name", "mode"), [(".labctl", 0o700), ("a folder of others", 0o755)])
def test_the_mode_of_a_folder_that_is_there(tmp_path: Path, name: str, mode: int) -> None:
    """LABCTL_STATE_DIR=/tmp must not take /tmp away from everybody else."""
    state = tmp_path / name
    state.mkdir()
    state.chmod(0o755)
    Workspace(tmp_path, None, state).make()
    assert state.stat().st_mode & 0o777 == mode
    assert (state / "nodes").stat().st_mode & 0o777 == 0o700


def test_a_state_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / ".labctl").touch()
    with pytest.raises(StateError, match="cannot be created") as caught:
        Workspace(tmp_path, None, tmp_path / ".labctl").make()
    assert "LABCTL_STATE_DIR" in caught.value.hint
