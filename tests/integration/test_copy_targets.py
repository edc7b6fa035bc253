"""What a copy finds at its destination, here and on a node: mounts, several names, modes, traps."""

from __future__ import annotations

import contextlib
import os
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from labctl.errors import TransferError
from labctl.lab.actions.copy import Copied, CopyOptions, copy
from labctl.lab.lab import Lab
from labctl.lab.workspace import Workspace
from labctl.parallel import Result
from labctl.remote.transfer import scripts
from labctl.remote.transfer.entry import MAX_DEPTH, STAGE, Entry, Kind, Root
from labctl.remote.transfer.local_sink import FolderSink

pytestmark = pytest.mark.skipif(os.name == "nt", reason="modes and links")
ROOT = hasattr(os, "geteuid") and os.geteuid() == 0


class Quiet:
    """A meter that nobody reads."""

    wants_sizes = False

    def expect(self, node: str, size: int) -> None:
        pass

    def moved(self, node: str, size: int) -> None:
        pass


Scp = Callable[..., Copied]


@pytest.fixture
def scp(lab_folder: Path) -> Scp:
    """Copy as `labctl scp` does, and return what one node's result is."""

    def run(*places: str | Path, in_place: bool = False) -> Copied:
        lab = Lab.open(Workspace.find(str(lab_folder)), {}, emit=lambda event: None)
        results: list[Result[Copied]]
        results = copy(
            lab, [str(place) for place in places], CopyOptions(in_place=in_place), Quiet()
        )
        (result,) = results
        if result.error is not None:
            raise result.error
        assert result.value is not None
        return result.value

    return run


# Where the copy goes to, and where it comes from: the node is this machine.
TO_NODE = ("{}", "docker-node1:{}")
TO_HERE = ("docker-node1:{}", "{}")
BETWEEN = ("docker-node1:{}", "docker-node2:{}")
ways = pytest.mark.parametrize("way", [TO_NODE, TO_HERE, BETWEEN], ids=["up", "down", "across"])
Way = tuple[str, str]


def no_stage(folder: Path) -> bool:
    """Return whether no temporary folder is left, once a node has noticed that a stream ended."""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        with contextlib.suppress(FileNotFoundError):  # it is just being removed
            if not list(folder.rglob(f"{STAGE}*")):
                return True
        time.sleep(0.05)
    return False


@ways
def test_whoever_has_a_file_by_another_name_sees_the_new_content(
    scp: Scp, tmp_path: Path, way: Way
) -> None:
    for name in ("src", "dst"):
        (tmp_path / name).mkdir()
    for name in ("a", "b"):
        (tmp_path / "src" / name).write_text(f"new {name}")
        (tmp_path / "dst" / name).write_text("old, and longer than the new one")
    (tmp_path / "src" / "a").chmod(0o640)
    os.utime(tmp_path / "src" / "a", (7, 7))
    other = tmp_path / "other"
    other.hardlink_to(tmp_path / "dst" / "a")
    inode = (tmp_path / "dst" / "b").stat().st_ino
    scp(way[0].format(f"{tmp_path}/src/."), way[1].format(tmp_path / "dst"))
    assert other.read_text() == (tmp_path / "dst" / "a").read_text() == "new a"
    assert other.samefile(tmp_path / "dst" / "a")
    assert (stat.S_IMODE(other.stat().st_mode), int(other.stat().st_mtime)) == (0o640, 7)
    assert (tmp_path / "dst" / "b").read_text() == "new b"
    assert (tmp_path / "dst" / "b").stat().st_ino != inode  # replaced at once, not written to
    (tmp_path / "src" / "a").write_text("newer")
    scp(way[0].format(f"{tmp_path}/src/a"), way[1].format(tmp_path / "dst" / "a"))
    assert other.read_text() == "newer"
    assert no_stage(tmp_path)


@ways
def test_with_in_place_a_container_that_has_a_file_mounted_sees_the_change(
    scp: Scp, tmp_path: Path, way: Way
) -> None:
    """A container's mount holds on to the file itself, as an open descriptor does."""
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "f").write_text("new")
    (tmp_path / "dst" / "src").mkdir(parents=True)
    target = tmp_path / "dst" / "src" / "f"
    target.write_text("old, and longer")
    with target.open() as mounted:
        for source, place in (("src/f", target), ("src", tmp_path / "dst")):
            scp(way[0].format(tmp_path / source), way[1].format(place), in_place=True)
            assert mounted.read() == "new"
            mounted.seek(0)
            target.write_text("old")
        scp(way[0].format(tmp_path / "src" / "f"), way[1].format(target))
        assert mounted.read() == "old"


@pytest.mark.skipif(not ROOT, reason="only root may mount")
@ways
def test_a_file_on_which_another_is_mounted_is_written_to(
    scp: Scp, tmp_path: Path, way: Way
) -> None:
    for name in ("src", "dst"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "f").write_text(name)
        (tmp_path / name / "g").write_text(name)
    (tmp_path / "host").write_text("old")
    mount = ["mount", "--bind", str(tmp_path / "host"), str(tmp_path / "dst" / "f")]
    if subprocess.run(mount, check=False, capture_output=True).returncode:
        pytest.skip("nothing can be mounted here")
    try:
        scp(way[0].format(f"{tmp_path}/src/."), way[1].format(tmp_path / "dst"))
        assert (tmp_path / "host").read_text() == "src"
        assert (tmp_path / "dst" / "g").read_text() == "src"
    finally:
        subprocess.run(["umount", str(tmp_path / "dst" / "f")], check=True)
    assert no_stage(tmp_path)


INTO = [("d", "d"), ("d/.", "d"), ("d", "d/sub"), ("d", "link")]
ONTO = [("d/sub", "d"), ("d", "."), ("f", "f")]


@pytest.mark.parametrize(
    ("way", "source", "place"),
    [
        # That a node is this machine is not known, so a folder is copied onto itself, as it was.
        *((TO_HERE, *places) for places in INTO),
        *((("docker-node1:{}", "docker-node1:{}"), *places) for places in INTO + ONTO),
    ],
)
def test_nothing_is_copied_into_or_onto_itself(
    scp: Scp, tmp_path: Path, way: Way, source: str, place: str
) -> None:
    (tmp_path / "d" / "sub").mkdir(parents=True)
    (tmp_path / "d" / "sub" / "x").write_text("x")
    (tmp_path / "f").write_text("f")
    (tmp_path / "link").symlink_to("d")
    with pytest.raises(TransferError, match=r"cannot be copied (into|onto) itself"):
        scp(way[0].format(tmp_path / source), way[1].format(tmp_path / place))
    assert no_stage(tmp_path)
    assert (tmp_path / "d" / "sub" / "x").read_text() == "x"


@ways
def test_sticky_and_setgid_folders_and_times_before_1970_are_kept(
    scp: Scp, tmp_path: Path, way: Way
) -> None:
    source = tmp_path / "src"
    for name, mode in (("sticky", 0o1777), ("group", 0o2775), ("both", 0o3770)):
        (source / name).mkdir(parents=True)
        (source / name).chmod(mode)
    (source / "file").write_text("x")
    (source / "link").symlink_to("file")
    for name, when in (("file", -86400), ("link", -5), ("sticky", -1), ("group", 2**33)):
        os.utime(source / name, (when, when), follow_symlinks=False)
    scp(way[0].format(source), way[1].format(tmp_path / "dst"))
    for path in source.iterdir():
        found = (tmp_path / "dst" / path.name).lstat()
        assert found.st_mode == path.lstat().st_mode, path
        assert int(found.st_mtime) == int(path.lstat().st_mtime), path


@pytest.mark.parametrize("way", [TO_HERE, BETWEEN], ids=["down", "across"])
def test_no_setuid_file_comes_from_a_node(scp: Scp, tmp_path: Path, way: Way) -> None:
    source = tmp_path / "src"
    source.mkdir()
    (source / "file").write_text("x")
    (source / "file").chmod(0o6755)
    source.chmod(0o4755)
    scp(way[0].format(source), way[1].format(tmp_path / "dst"))
    assert stat.S_IMODE((tmp_path / "dst" / "file").stat().st_mode) == 0o755
    assert stat.S_IMODE((tmp_path / "dst").stat().st_mode) == 0o755


@ways
def test_existing_folders_keep_their_mode(scp: Scp, tmp_path: Path, way: Way) -> None:
    for name, mode in (("src", 0o777), ("dst/src", 0o710)):
        (tmp_path / name / "sub").mkdir(parents=True)
        for path in (tmp_path / name, tmp_path / name / "sub"):
            path.chmod(mode)
    (tmp_path / "src" / "sub" / "f").write_text("f")
    scp(way[0].format(tmp_path / "src"), way[1].format(tmp_path / "dst"))
    assert (tmp_path / "dst" / "src" / "sub" / "f").read_text() == "f"
    for path in (tmp_path / "dst" / "src", tmp_path / "dst" / "src" / "sub"):
        assert stat.S_IMODE(path.stat().st_mode) == 0o710


@ways
def test_too_many_folders_inside_each_other(scp: Scp, tmp_path: Path, way: Way) -> None:
    deep = tmp_path / "src"
    deep.mkdir()
    for _ in range(MAX_DEPTH + 1):
        deep /= "d"
        deep.mkdir()
    with pytest.raises(TransferError, match=f"more than {MAX_DEPTH} folders"):
        scp(way[0].format(tmp_path / "src"), way[1].format(tmp_path / "dst"))
    assert not (tmp_path / "dst").exists()
    deep.rmdir()
    scp(way[0].format(tmp_path / "src"), way[1].format(tmp_path / "dst"))
    if way == TO_HERE:  # and into folders that exist; on a node that takes a program or two each
        scp(way[0].format(f"{tmp_path}/src/."), way[1].format(tmp_path / "dst"))
    assert no_stage(tmp_path)


def nested(folder: Path, count: int) -> None:
    """Make folders inside each other that no path is long enough for."""
    code = (
        "import os, sys\n"
        "for _ in range(int(sys.argv[1])):\n"
        "    os.mkdir('d' * 40)\n"
        "    open('f', 'w').close()\n"
        "    os.chdir('d' * 40)\n"
        "os.chmod('.', 0o500)\n"
    )
    subprocess.run([sys.executable, "-c", code, str(count)], cwd=folder, check=True)


@pytest.mark.parametrize("place", ["{}", "docker-node1:{}"])
def test_what_a_killed_copy_left_is_removed_however_deep_it_is(
    scp: Scp, tmp_path: Path, place: str
) -> None:
    (tmp_path / "file").write_text("x")
    (tmp_path / "dst").mkdir()
    old = tmp_path / "dst" / f"{STAGE}{os.uname().nodename}.{2**22 + 5}.abcdefgh"
    old.mkdir()
    nested(old, 1200)
    source = "docker-node2:{}" if place == "{}" else "{}"
    scp(source.format(tmp_path / "file"), place.format(tmp_path / "dst"))
    assert [path.name for path in (tmp_path / "dst").iterdir()] == ["file"]


class Refused:
    """A source that goes wrong after many folders inside each other."""

    roots = (Root("x", Kind.FOLDER),)
    size = 0

    def members(self) -> Iterator[Entry]:
        for depth in range(1200):
            yield Entry(0, ("d",) * depth, Kind.FOLDER, 0o500, 5)
        raise TransferError("refused")


def test_after_a_refused_member_the_folder_can_be_copied_into_again(tmp_path: Path) -> None:
    for _ in range(2):
        with pytest.raises(TransferError, match="refused"):
            FolderSink(str(tmp_path)).take(Refused(), lambda size: None, into=True)
        assert list(tmp_path.iterdir()) == []


def test_a_node_that_lost_an_entry_is_an_error(
    scp: Scp, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """tar on the node passes over a file without a word."""
    lossy = scripts.RECEIVE.replace("tar -x -v", "tar -x -v --exclude=lost")
    assert lossy != scripts.RECEIVE
    monkeypatch.setattr(scripts, "RECEIVE", lossy)
    (tmp_path / "src").mkdir()
    for name in ("kept", "lost"):
        (tmp_path / "src" / name).write_text(name)
    with pytest.raises(TransferError, match="3 entries were sent, and 2 arrived"):
        scp(tmp_path / "src", f"docker-node1:{tmp_path}/dst")
