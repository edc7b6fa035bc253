"""What git tracks, as its index has it in every form that a real git writes."""

from __future__ import annotations

import os
import random
import shutil
import struct
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from labctl.errors import StateError
from labctl.lab.git_index import repository_of

pytestmark = pytest.mark.needs("git")

Git = Callable[..., str]


@pytest.fixture
def git(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Git:
    """Runs git in a repository, with no configuration of the user."""
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")

    def run(*words: str, at: Path = tmp_path / "repo") -> str:
        at.mkdir(exist_ok=True)
        who = ["-c", "user.name=a", "-c", "user.email=a@b", "-c", "protocol.file.allow=always"]
        done = subprocess.run(["git", *who, *words], cwd=at, check=True, capture_output=True)
        return done.stdout.decode()

    return run


def write(repo: Path, *names: str) -> None:
    for name in names:
        (repo / name).parent.mkdir(parents=True, exist_ok=True)
        (repo / name).write_text(name)


NEIGHBOURS = (
    # Names that come just before the state's, from which version 4 leaves out what they share.
    *(".gitignore", ".labctk", ".labctl-notes", ".labct/x", "lab/.labctk", "lab/.labctl-x/y"),
    *("lab/.labct", "lab/lab.yaml", "lab/.labctl0", "z"),
)
FORMS = {
    "version 2": ("update-index", "--index-version", "2"),
    "version 3": ("update-index", "--index-version", "3"),
    "version 4": ("update-index", "--index-version", "4"),
    "split": ("update-index", "--split-index"),
    "untracked cache": ("update-index", "--force-untracked-cache"),
}


@pytest.mark.parametrize("hashes", ["sha1", "sha256"])
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("lab", ["lab", "."])
def test_each_form_of_an_index(tmp_path: Path, git: Git, form: str, lab: str, hashes: str) -> None:
    repo = tmp_path / "repo"
    state = (repo / lab / ".labctl").resolve()
    git("init", "-q", f"--object-format={hashes}")
    write(repo, *NEIGHBOURS)
    git("add", "-A")
    write(repo, f"{lab}/.labctl/Vagrantfile", f"{lab}/.labctl/nodes/a.json")
    git(*FORMS[form])
    assert repository_of(state) is None
    git("add", "-f", f"{lab}/.labctl/Vagrantfile")
    if form == "version 3":  # git writes it only if it has to
        git("update-index", "--skip-worktree", "z")
    git(*FORMS[form])
    assert repository_of(state) == repo
    assert repository_of(state / "nodes") is None  # nothing in there is tracked
    git("rm", "-q", "--cached", f"{lab}/.labctl/Vagrantfile")
    assert repository_of(state) is None
    git("add", "-f", f"{lab}/.labctl/nodes")
    assert repository_of(state) == repo
    git("commit", "-qm", "all")
    assert repository_of(state) == repo
    expected = {"version 4": 4, "version 3": 3}.get(form, 2)
    assert struct.unpack_from(">I", (repo / ".git" / "index").read_bytes(), 4)[0] == expected


@pytest.mark.parametrize("version", ["2", "4"])
def test_a_split_index_that_deletes_and_replaces(tmp_path: Path, git: Git, version: str) -> None:
    repo = tmp_path / "repo"
    state = repo / "m" / ".labctl"
    git("init", "-q")
    write(repo, *(f"{letter}/{n}" for letter in "amz" for n in range(90)), "m/.labctl/provider")
    git("add", "-f", "-A")
    git("update-index", "--index-version", version)
    git("-c", "splitIndex.maxPercentChange=100", "update-index", "--split-index")
    assert list((repo / ".git").glob("sharedindex.*"))
    assert repository_of(state) == repo
    git("-c", "splitIndex.maxPercentChange=100", "rm", "-qr", "--cached", "m/.labctl", "a", "z/3")
    assert b"m/.labctl" in next((repo / ".git").glob("sharedindex.*")).read_bytes() or version > "2"
    assert repository_of(state) is None
    (repo / "m" / "5").write_text("changed")
    git("-c", "splitIndex.maxPercentChange=100", "add", "m/5")
    assert repository_of(state) is None
    git("-c", "splitIndex.maxPercentChange=100", "add", "-f", "m/.labctl")
    assert repository_of(state) == repo


def test_a_sparse_index(tmp_path: Path, git: Git) -> None:
    """git leaves what is outside alone, so it does not write there until it is inside."""
    repo = tmp_path / "repo"
    state = repo / "labs" / "one" / ".labctl"
    git("init", "-q")
    write(repo, "labs/one/.labctl/provider", "labs/one/lab.yaml", "other/file", "top")
    git("add", "-f", "-A")
    git("commit", "-qm", "all")
    git("sparse-checkout", "set", "--cone", "--sparse-index", "other")
    assert b"labs/\0" in (repo / ".git" / "index").read_bytes()
    assert repository_of(state) is None
    git("sparse-checkout", "add", "labs/one")
    assert state.is_dir()
    assert repository_of(state) == repo


def test_a_further_work_tree_and_a_submodule(tmp_path: Path, git: Git) -> None:
    git("init", "-q")
    write(tmp_path / "repo", "lab/.labctl/provider", "lab/lab.yaml")
    git("add", "-f", "-A")
    git("commit", "-qm", "all")
    git("worktree", "add", "-q", str(tmp_path / "tree"))
    git("update-index", "--split-index", at=tmp_path / "tree")
    assert repository_of(tmp_path / "tree" / "lab" / ".labctl") == tmp_path / "tree"
    git("init", "-q", at=tmp_path / "outer")
    git("submodule", "add", "-q", str(tmp_path / "repo"), "sub", at=tmp_path / "outer")
    assert (tmp_path / "outer" / "sub" / ".git").is_file()
    assert repository_of(tmp_path / "outer/sub/lab/.labctl") == tmp_path / "outer" / "sub"


def test_a_repository_around_something_that_looks_like_one(tmp_path: Path, git: Git) -> None:
    """git passes over a folder `.git` that is none, and finds the next one above."""
    repo = tmp_path / "repo"
    git("init", "-q")
    write(repo, "lab/.labctl/provider")
    git("add", "-f", "-A")
    (repo / "lab" / ".git").mkdir()
    assert Path(git("rev-parse", "--show-toplevel", at=repo / "lab").strip()) == repo
    assert repository_of(repo / "lab" / ".labctl") == repo


def test_another_spelling(tmp_path: Path, git: Git) -> None:
    """It is the same folder on a disk that ignores case."""
    repo = tmp_path / "repo"
    git("init", "-q")
    write(repo, "Lab/.LabCtl/provider", "lab/.labctl/id")
    git("add", "-f", "Lab/.LabCtl")
    assert repository_of(repo / "lab" / ".labctl") == repo


@pytest.mark.skipif(sys.platform == "win32", reason="links")
def test_a_tracked_link_to_the_state_is_none_of_it(tmp_path: Path, git: Git) -> None:
    repo = tmp_path / "repo"
    git("init", "-q")
    write(repo, ".labctl/id")
    (repo / "labctl~1").symlink_to(".labctl")
    git("add", "labctl~1")
    assert repository_of(repo / ".labctl") is None


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="pipes")
@pytest.mark.parametrize("name", [".git", ".git/index", ".git/config", ".git/commondir"])
def test_a_pipe_blocks_nothing(tmp_path: Path, git: Git, name: str) -> None:
    repo = tmp_path / "repo"
    git("init", "-q")
    write(repo, "labctl~1", ".labctl/id")
    git("add", "labctl~1")
    if (repo / name).is_dir():
        shutil.rmtree(repo / name)
    (repo / name).unlink(missing_ok=True)
    os.mkfifo(repo / name)
    assert repository_of(repo / ".labctl") is None


def test_damage_in_any_place(tmp_path: Path, git: Git) -> None:
    """Either it is understood, or there is an error; at once, whatever the length fields say."""
    repo = tmp_path / "repo"
    git("init", "-q")
    write(repo, *NEIGHBOURS, ".labctl/id")
    git("add", "-A")
    index = repo / ".git" / "index"
    chance = random.Random(1)
    errors: list[StateError] = []
    for form in FORMS.values():
        git(*form)
        whole = index.read_bytes()
        began = time.monotonic()
        for _ in range(300):
            data = bytearray(whole)
            for _ in range(chance.choice((1, 1, 4))):
                data[chance.randrange(len(data))] = chance.choice((0, 1, 127, 128, 255))
            index.write_bytes(data[: chance.choice((len(data), chance.randrange(len(data))))])
            try:
                repository_of(repo / ".labctl")
            except StateError as error:
                errors.append(error)
        assert time.monotonic() - began < 30
        index.write_bytes(whole)
    assert len(errors) > 100
    assert all("cannot be read" in error.message for error in errors)
    assert all("git status" in error.hint for error in errors)


def test_an_index_that_nobody_can_understand_is_no_way_in(tmp_path: Path, git: Git) -> None:
    repo = tmp_path / "repo"
    git("init", "-q")
    write(repo, ".labctl/id")
    git("add", "-f", "-A")
    index = repo / ".git" / "index"
    data = bytearray(index.read_bytes())
    data[7] = 9
    index.write_bytes(data)
    with pytest.raises(StateError, match="cannot be read"):
        repository_of(repo / ".labctl")


def test_a_large_repository_costs_little(tmp_path: Path, git: Git) -> None:
    repo = tmp_path / "repo"
    git("init", "-q")
    lines = "".join(f"100644 {'1' * 40}\tsome/folder/{n:06}/file\n" for n in range(50_000))
    subprocess.run(
        ["git", "update-index", "--index-info"], cwd=repo, input=lines.encode(), check=True
    )
    write(repo, ".labctl/id")
    began = time.monotonic()
    assert repository_of(repo / ".labctl") is None
    assert time.monotonic() - began < 1
