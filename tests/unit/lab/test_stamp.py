"""State folders: only those that this user's labctl made in this place are used."""

from __future__ import annotations

import os
import shutil
import subprocess
import threading
from pathlib import Path

import pytest

from labctl.errors import StateError
from labctl.lab import stamp, user_folder
from labctl.lab.state import NodeRecord, State
from labctl.lab.workspace import Workspace
from labctl.remote.target import Target

POSIX = pytest.mark.skipif(os.name != "posix", reason="Windows has no such owners and links")


@pytest.fixture
def lab(tmp_path: Path) -> Workspace:
    (tmp_path / "lab").mkdir()
    found = Workspace.at(tmp_path / "lab", tmp_path / "lab" / ".labctl")
    found.make()
    State(found).save_provider("libvirt")
    return found


def moved(lab: Workspace, name: str) -> Workspace:
    folder = lab.folder.with_name(name)
    lab.folder.rename(folder)
    return Workspace.at(folder, folder / ".labctl")


@pytest.mark.needs("git")
def test_git_does_not_commit_it(lab: Workspace) -> None:
    subprocess.run(["git", "init", "-q"], cwd=lab.folder, check=True)
    line = ["git", "status", "--porcelain", "--untracked-files=all"]
    assert subprocess.run(line, cwd=lab.folder, check=True, capture_output=True).stdout == b""


def test_its_own_state_is_used_again(lab: Workspace) -> None:
    before = sorted(lab.state.rglob("*"))
    lab.make()
    stamp.check(lab.state)
    assert sorted(lab.state.rglob("*")) == before


@pytest.mark.parametrize("file", ["Vagrantfile", "nodes/docker-node1.json", "lock", "a/b/c"])
def test_a_state_folder_of_unknown_origin_is_refused(tmp_path: Path, file: str) -> None:
    path = tmp_path / ".labctl" / file
    path.parent.mkdir(parents=True)
    path.write_text("{}")
    for call in (stamp.check, stamp.claim):
        with pytest.raises(StateError, match="was not made by your labctl") as caught:
            call(tmp_path / ".labctl")
        assert f"rm -r {tmp_path}/.labctl" in caught.value.hint
        assert "labctl trust" in caught.value.hint
    assert [p for p in (tmp_path / ".labctl").rglob("*") if p.is_file()] == [path]


@pytest.mark.parametrize("id", ["", "x", "0" * 32 + "\n", "../" * 10 + "\n", "a" * 32, "é\n"])
def test_an_id_that_nobody_gave(lab: Workspace, id: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stamp, "_PATIENCE", 0.0)
    (lab.state / "id").write_text(id)
    with pytest.raises(StateError, match="was not made by your labctl"):
        stamp.check(lab.state)


def test_an_empty_state_folder_is_new(tmp_path: Path) -> None:
    for folder in (".labctl", ".labctl/logs", ".labctl/nodes"):
        (tmp_path / folder).mkdir()
    stamp.check(tmp_path / ".labctl")
    stamp.claim(tmp_path / ".labctl")
    assert stamp.origin(tmp_path / ".labctl") == tmp_path / ".labctl"


def test_another_user_or_computer(lab: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LABCTL_HOME", str(lab.folder.with_name("home of somebody else")))
    with pytest.raises(StateError, match="was not made by your labctl"):
        lab.make()


def test_a_moved_lab_is_accepted_by_hand(lab: Workspace) -> None:
    old = lab.state
    there = moved(lab, "renamed")
    with pytest.raises(StateError, match="was made as") as caught:
        stamp.check(there.state)
    assert str(old) in caught.value.message
    assert "labctl trust" in caught.value.hint
    stamp.renew(there.state)
    there.make()
    assert stamp.origin(there.state) == there.state
    assert len(list((user_folder.user_folder() / "states").iterdir())) == 2


def test_a_copy_beside_it_is_refused(lab: Workspace) -> None:
    copy = lab.folder.with_name("copy")
    shutil.copytree(lab.folder, copy)
    with pytest.raises(StateError, match="was made as"):
        stamp.check(copy / ".labctl")
    stamp.check(lab.state)


def test_a_moved_lab_finds_the_keys_of_its_nodes(lab: Workspace) -> None:
    key = str(lab.state / ".vagrant" / "machines" / "n" / "libvirt" / "private_key")
    other = "/home/anna/.ssh/id"
    State(lab).save("n", NodeRecord(Target("n", "10.0.0.1", keys=(key, other))))
    there = moved(lab, "renamed")
    stamp.renew(there.state)
    target = State(there).node("n").target
    assert target is not None
    assert target.keys == (key.replace("/lab/", "/renamed/"), other)


def test_a_new_state_in_the_same_place_forgets_the_old_one(lab: Workspace) -> None:
    backup = lab.folder / "backup"
    shutil.copytree(lab.state, backup)
    shutil.rmtree(lab.state)
    lab.make()
    assert len(list((user_folder.user_folder() / "states").iterdir())) == 1
    shutil.rmtree(lab.state)
    backup.rename(lab.state)
    with pytest.raises(StateError, match="was not made by your labctl"):
        stamp.check(lab.state)


@POSIX
def test_another_way_to_the_same_folder(lab: Workspace) -> None:
    link = lab.folder.with_name("link")
    link.symlink_to(lab.folder)
    stamp.check(link / ".labctl")


def test_many_at_once_agree_on_one_stamp(tmp_path: Path) -> None:
    lab = Workspace.at(tmp_path, tmp_path / ".labctl")
    failures: list[Exception] = []

    def make() -> None:
        try:
            lab.make()
        except StateError as error:
            failures.append(error)

    threads = [threading.Thread(target=make) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    stamp.check(lab.state)
    assert len(list((user_folder.user_folder() / "states").iterdir())) == 1


# -- links, other users, git


@POSIX
@pytest.mark.parametrize("name", [".", "logs", "nodes", "Vagrantfile", "ssh_config", "lock", "id"])
def test_no_link_is_followed(lab: Workspace, name: str) -> None:
    elsewhere = lab.folder.with_name("elsewhere")
    path = lab.state / name
    if path.exists():
        path.rename(elsewhere)
    path = lab.state if name == "." else path
    path.symlink_to(elsewhere)
    for call in (stamp.check, stamp.claim, stamp.renew):
        with pytest.raises(StateError, match="is a link"):
            call(lab.state)


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="needs root")
@pytest.mark.parametrize("name", [".", "logs", "Vagrantfile", "id"])
def test_nothing_of_another_user_is_used(lab: Workspace, name: str) -> None:
    path = lab.state / name
    if not path.exists():
        path.touch()
    os.chown(path, 65534, 65534)
    with pytest.raises(StateError, match="belongs to another user"):
        stamp.check(lab.state)


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="needs root")
def test_a_users_folder_of_another_user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = tmp_path / "home"
    home.mkdir()
    os.chown(home, 65534, 65534)
    monkeypatch.setenv("LABCTL_HOME", str(home))
    os.chown(tmp_path, 65534, 65534)
    (home / "states").mkdir()
    os.chown(home / "states", 65534, 65534)
    with pytest.raises(StateError, match="belongs to another user"):
        Workspace.at(tmp_path, tmp_path / "mine").make()


@pytest.mark.needs("git")
def test_a_state_that_git_may_replace_is_refused(lab: Workspace) -> None:
    """`git pull` writes into a folder that has a good stamp."""

    def git(*arguments: str) -> None:
        who = ["-c", "user.name=a", "-c", "user.email=a@b"]
        subprocess.run(["git", *who, *arguments], cwd=lab.folder.parent, check=True)

    git("init", "-q")
    git("add", "-A", ":!lab/.labctl")
    stamp.check(lab.state)
    git("add", "-f", "lab/.labctl/provider")
    for call in (stamp.check, stamp.renew):
        with pytest.raises(StateError, match="is in the git repository") as caught:
            call(lab.state)
    assert "git rm -r --cached" in caught.value.hint
    git("rm", "-r", "-q", "--cached", "lab/.labctl")
    stamp.check(lab.state)
