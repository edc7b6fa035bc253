"""No copy from a node writes the files of a lab, which labctl would run."""

from __future__ import annotations

from pathlib import Path

import pytest

from labctl.errors import TransferError
from labctl.remote.transfer.entry import STAGE, Entry, Kind, Root
from labctl.remote.transfer.local_sink import FolderSink
from tests.attacks.sources import Sent, file, folder, link, tree

HARMLESS = ["results.txt", "lab.yaml.txt", "my playbooks", "courses", ".labctlrc", "labs"]


@pytest.fixture
def lab(tmp_path: Path) -> Path:
    """A lab with code of its own, whose every file says `mine`."""
    folder = tmp_path / "home" / "lab"
    for name in ("lab.yaml", "playbooks/docker/play.py", ".labctl/ssh_config", "course/a.py"):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("mine")
    return folder


@pytest.fixture
def skipped() -> list[str]:
    return []


def take(
    to: Path, roots: list[Root], entries: list[Entry], skipped: list[str], lab: Path | None = None
) -> int:
    sink = FolderSink(
        str(to),
        labs=[lab] if lab else [],
        skip=lambda path, why: skipped.append(path),
    )
    return sink.take(Sent(roots, entries), lambda size: None, into=len(roots) > 1)


def theirs(at: Path) -> set[str]:
    """Return what the node wrote."""
    return {
        str(path.relative_to(at))
        for path in at.rglob("*")
        if path.is_symlink() or (path.is_file() and path.read_text() == "theirs")
    }


def roots_of(*paths: str) -> tuple[list[Root], list[Entry]]:
    """Return what the node sends for a pattern: each path is a root, or lies in one."""
    roots: list[Root] = []
    entries: list[Entry] = []
    for index, path in enumerate(paths):
        name, slash, rest = path.partition("/")
        if slash:
            roots.append(Root(name, Kind.FOLDER))
            entries += tree(rest, root=index)
        else:
            roots.append(Root(name, Kind.FILE))
            entries.append(file(index, data=b"theirs"))
    return roots, entries


@pytest.mark.parametrize(
    "path",
    [
        "lab.yaml",
        "lab.yml",
        "LAB.YAML",
        "Lab.Yml",
        "lab.yaml.",
        "lab.yaml ",
        "lab.yaml . .",
        "lab.yaml::$DATA",
        "lab.yaml:stream",
        "lab.ya\u200cml",
        "lａb.yaml",
        ".labctl/ssh_config",
        ".LABCTL/ssh_config",
        ".labctl./ssh_config",
        "playbooks/docker/play.py",
        "Playbooks/new/play.py",
        "playbooks /new/play.py",
        "playbookſ/new/play.py",
        "course/new.py",
        "templates/Vagrantfile.j2",
        "playbooks",
    ],
)
def test_a_pattern_brings_no_file_of_the_lab(lab: Path, skipped: list[str], path: str) -> None:
    roots, entries = roots_of(path, *HARMLESS)
    take(lab, roots, entries, skipped, lab)
    assert theirs(lab) == set(HARMLESS)
    assert skipped == [str(lab / path.partition("/")[0])]
    assert (lab / "playbooks" / "docker" / "play.py").read_text() == "mine"
    assert not list(lab.glob(f"{STAGE}*"))


@pytest.mark.parametrize("name", ["lab.yaml", "lab.yml", ".labctl"])
def test_any_folder_with_such_a_name_in_it_is_a_lab(
    tmp_path: Path, skipped: list[str], name: str
) -> None:
    """As for a lab that is not the one in use, and in a folder above it."""
    other = tmp_path / "other"
    other.mkdir()
    (other / name).mkdir() if name == ".labctl" else (other / name).touch()
    paths = ("playbooks/a/play.py", "course/a.py", "templates/x", "x/templates/page", "lab.YAML")
    take(tmp_path, [Root("other", Kind.FOLDER)], tree(*paths), skipped)
    assert theirs(other) == {"x/templates/page"}
    assert len(skipped) == 4


def test_no_copy_makes_a_folder_a_lab(tmp_path: Path, skipped: list[str]) -> None:
    """What looks like a lab as a whole arrives without what makes it one."""
    paths = ("lab.yaml", "playbooks/a/play.py", ".labctl/nodes/a", "deep/down/lab.yml", "app/main")
    take(tmp_path, [Root("x", Kind.FOLDER)], tree(*paths), skipped)
    assert theirs(tmp_path) == {"x/playbooks/a/play.py", "x/app/main"}
    assert {str(Path(path).relative_to(tmp_path)) for path in skipped} == {
        "x/lab.yaml",
        "x/.labctl",
        "x/deep/down/lab.yml",
    }


def test_other_kinds_of_entries_are_no_way_round(lab: Path, skipped: list[str]) -> None:
    entries = [
        folder(0),
        link(0, "templates", to="docker"),
        link(0, "lab.yml", to="docker/evil"),
        file(0, "course", data=b"theirs"),
        folder(0, "docker"),
    ]
    take(lab.parent, [Root("lab", Kind.FOLDER)], entries, skipped, lab)
    assert theirs(lab.parent) == set()
    assert len(skipped) == 3


def test_a_hard_link_to_what_was_skipped_is_skipped(lab: Path, skipped: list[str]) -> None:
    again = Entry(0, ("copy",), Kind.FILE, 0o644, 1, same_as=(0, ("lab.yaml",)))
    take(lab, [Root("", Kind.FOLDER)], [*tree("lab.yaml", "other"), again], skipped, lab)
    assert theirs(lab) == {"other"}
    assert skipped == [str(lab / "lab.yaml"), str(lab / "copy")]


@pytest.mark.parametrize(
    "to",
    ["playbooks", "playbooks/docker", "playbooks/docker/new", ".labctl", "course", "templates"],
)
def test_a_destination_inside_the_code_is_refused(lab: Path, skipped: list[str], to: str) -> None:
    (lab / "templates").mkdir()
    with pytest.raises(TransferError, match="belongs to a lab") as caught:
        take(lab / to, [Root("x", Kind.FOLDER)], tree("play.py"), skipped, lab)
    assert "use the file itself" in caught.value.hint
    assert theirs(lab) == set()


def test_also_through_a_link_of_the_users_own(lab: Path, skipped: list[str]) -> None:
    (lab.parent / "plays").symlink_to("lab/playbooks")
    with pytest.raises(TransferError, match="belongs to a lab"):
        take(lab.parent / "plays", [Root("x", Kind.FOLDER)], tree("play.py"), skipped, lab)


@pytest.mark.parametrize("to", ["lab.yaml", "playbooks/docker/play.py", "playbooks/docker/new.py"])
def test_the_user_may_name_exactly_that_file(lab: Path, skipped: list[str], to: str) -> None:
    entry = file(0, data=b"theirs")
    take(lab / to, [Root(Path(to).name, Kind.FILE)], [entry], skipped, lab)
    assert theirs(lab) == {to}
    assert skipped == []


def test_a_folder_of_that_name_is_not_exactly_that_file(lab: Path, skipped: list[str]) -> None:
    take(lab / "templates", [Root("x", Kind.FOLDER)], tree("Vagrantfile.j2"), skipped, lab)
    assert theirs(lab) == set()
    assert skipped == [str(lab / "templates")]


def test_the_state_is_protected_where_it_is(tmp_path: Path, skipped: list[str]) -> None:
    state = tmp_path / "state"
    state.mkdir()
    (state / "ssh_config").write_text("mine")
    sink = FolderSink(
        str(tmp_path),
        lab_files=[state / "ssh_config", state / "private"],
        skip=lambda path, why: skipped.append(path),
    )
    entries = tree("ssh_config", "private/ca", "notes")
    sink.take(Sent([Root("state", Kind.FOLDER)], entries), lambda size: None, into=False)
    assert theirs(tmp_path) == {"state/notes"}
    assert len(skipped) == 2


def test_existing_folders_keep_their_mode(tmp_path: Path, skipped: list[str]) -> None:
    mine = tmp_path / "x" / "private"
    mine.mkdir(parents=True)
    mine.chmod(0o700)
    (tmp_path / "x").chmod(0o750)
    entries = [
        folder(0, mode=0o777),
        folder(0, "private", mode=0o777),
        folder(0, "new", mode=0o770),
    ]
    take(tmp_path, [Root("x", Kind.FOLDER)], entries, skipped)
    modes = [path.stat().st_mode & 0o7777 for path in (tmp_path / "x", mine, mine.parent / "new")]
    assert modes == [0o750, 0o700, 0o770]
