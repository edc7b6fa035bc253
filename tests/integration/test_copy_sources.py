"""Sources of a copy: files that change or cannot be read, patterns, and the kernel's files."""

from __future__ import annotations

import os
import socket
import stat
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from labctl.errors import TransferError
from labctl.remote.connection import Connection
from labctl.remote.hostkeys import HostKeys
from labctl.remote.target import Target
from labctl.remote.transfer import scripts
from labctl.remote.transfer.entry import BLOCK, STAGE
from labctl.remote.transfer.local_sink import FolderSink
from labctl.remote.transfer.local_source import Tree
from labctl.remote.transfer.node_source import NodeSource
from labctl.remote.transfer.skipped import Skipped
from tests.integration.sshd import Sshd
from tests.integration.test_ssh_commands import Labctl
from tests.integration.test_transfer import (
    ROOT,
    USER,
    Scp,
    closed,
    digests,
    good,
    labs,
    names,
    no_stage,
    scp,
    wait_until,
)

__all__ = ["closed", "labs", "scp"]

NODE = "docker-node1"
BOTH = pytest.mark.parametrize("direction", ["up", "down", "across"])


def ends(direction: str, source: object, target: object) -> tuple[str, str]:
    """Return the places of a copy to a node, from one, or between two."""
    left = f"{NODE}:" if direction != "up" else ""
    right = "docker-node2:" if direction != "down" else ""
    return f"{left}{source}", f"{right}{target}"


def skipped_of(results: list[Skipped]) -> dict[str, str]:
    return {Path(one.path).name: str(one.why) for one in results}


@BOTH
def test_a_loop_of_links_is_an_error_at_once(
    scp: Scp, labs: Path, tmp_path: Path, direction: str
) -> None:
    (labs / "sub" / "loop").symlink_to(".")
    (labs / "sub" / "more").symlink_to(".")
    began = time.monotonic()
    with pytest.raises(TransferError, match="links to a folder that contains it") as caught:
        good(scp(*ends(direction, labs, tmp_path / "new"), follow=True))
    assert time.monotonic() - began < 5
    assert "sub/loop" in caught.value.message or "sub/more" in caught.value.message
    assert "--follow" in caught.value.hint
    assert not (tmp_path / "new").exists()
    assert no_stage(tmp_path)
    good(scp(*ends(direction, labs, tmp_path / "links")))
    assert digests(tmp_path / "links") == digests(labs)


@BOTH
def test_folders_nested_too_deep_leave_nothing(scp: Scp, tmp_path: Path, direction: str) -> None:
    """Either all of it arrives, or nothing: in no case half, and in no case a traceback."""
    at = os.open(tmp_path, os.O_RDONLY)
    for name in ("deep", *["d"] * 1200):
        os.mkdir(name, dir_fd=at)
        inner = os.open(name, os.O_RDONLY, dir_fd=at)
        os.close(at)
        at = inner
    os.symlink("/etc/passwd", "out", dir_fd=at)
    os.mkfifo("pipe", dir_fd=at)
    os.close(at)
    (result,) = scp(*ends(direction, tmp_path / "deep", tmp_path / "new"))
    if result.ok:
        assert len((tmp_path / "new" / Path(*["d"] * 1200)).parts) > 1200
        assert result.value is not None
        assert "pipe" in skipped_of(list(result.value.skipped))
    else:
        assert not (tmp_path / "new").exists()
    wait_until(lambda: not list(tmp_path.glob(f"{STAGE}*")))
    # pytest removes folders by recursion.
    subprocess.run(["rm", "-rf", tmp_path / "deep", tmp_path / "new"], check=True)


@BOTH
def test_links_that_lead_nowhere_are_told_if_links_are_followed(
    scp: Scp, labs: Path, tmp_path: Path, direction: str
) -> None:
    (labs / "nowhere").symlink_to("not/there")
    (labs / "sub" / "self").symlink_to("self")
    (copied,) = good(scp(*ends(direction, labs, tmp_path / "new"), follow=True))
    found = skipped_of(list(copied.skipped))
    assert found.keys() == {"nowhere", "self"}
    assert "broken link" in found["nowhere"]
    assert "Too many levels of symbolic links" in found["self"]
    assert names(tmp_path / "new") == {"a", "b", "sub", "sub/c"}
    (copied,) = good(scp(*ends(direction, labs, tmp_path / "kept")))
    assert not copied.skipped
    assert (tmp_path / "kept" / "nowhere").is_symlink()


@BOTH
def test_special_files_are_reported_and_the_rest_is_copied(
    scp: Scp, labs: Path, tmp_path: Path, direction: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    os.mkfifo(labs / "pipe")
    os.link(labs / "pipe", labs / "sub" / "pipe2")
    monkeypatch.chdir(labs)  # the path of a socket may not be long
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("socket")
    if ROOT:
        os.mknod(labs / "null", stat.S_IFCHR | 0o600, os.makedev(1, 3))
    (copied,) = good(scp(*ends(direction, labs, tmp_path / "new")))
    found = skipped_of(list(copied.skipped))
    assert found.keys() == {"pipe", "pipe2", "socket"} | ({"null"} if ROOT else set())
    assert set(found.values()) == {"neither a file nor a folder"}
    assert {one.node for one in copied.skipped} == {"" if direction == "up" else NODE}
    assert names(tmp_path / "new") == {"a", "b", "sub", "sub/c"}
    assert (copied.files, copied.bytes) == (3, 3)


def test_names_in_what_tar_complains_about(scp: Scp, tmp_path: Path) -> None:
    for name in ("ü\n🐳", "a: Cannot open: b", "back\\slash", "\x7f", "$(id)"):
        (tmp_path / "d" / name).mkdir(parents=True)
        (tmp_path / "d" / name / "x").symlink_to("nowhere")
    (copied,) = good(scp(f"{NODE}:{tmp_path}/d", tmp_path / "new", follow=True))
    assert {one.path for one in copied.skipped} == {
        str(path / "x") for path in (tmp_path / "d").iterdir()
    }


# -- files that change while they are read


class Stops:
    """A meter that stops a copy in its first file, and does something meanwhile."""

    wants_sizes = False

    def __init__(self, what: Callable[[], object]) -> None:
        self._what = what
        self._done = False

    def expect(self, node: str, size: int) -> None: ...

    def moved(self, node: str, size: int) -> None:
        if not self._done:
            self._done = True
            self._what()


BIG = 60_000_000  # more than what may be on its way


@BOTH
def test_files_that_vanish_are_reported(scp: Scp, tmp_path: Path, direction: str) -> None:
    folder = tmp_path / "d"
    folder.mkdir()
    files = {folder / name for name in "abcd"}
    for path in files:
        with path.open("wb") as file:
            file.truncate(BIG)

    def vanish() -> None:
        for path in files:
            path.unlink()

    (copied,) = good(scp(*ends(direction, folder, tmp_path / "new"), meter=Stops(vanish)))
    (arrived,) = names(tmp_path / "new")  # that which was being read
    assert {one.path for one in copied.skipped} == {str(p) for p in files if p.name != arrived}
    assert all("removed" in one.why for one in copied.skipped)


@BOTH
def test_a_file_that_becomes_shorter_is_no_file_full_of_zeros(
    scp: Scp, labs: Path, tmp_path: Path, direction: str
) -> None:
    (labs / "a").write_bytes(b"x" * BIG)
    shorten = Stops(lambda: os.truncate(labs / "a", 1000))
    with pytest.raises(TransferError, match=r"labs/a: became shorter while it was copied"):
        good(scp(*ends(direction, labs, tmp_path / "new"), meter=shorten))
    assert not (tmp_path / "new").exists()
    wait_until(lambda: no_stage(tmp_path))  # the node notices a little later


def test_a_file_that_grows_is_copied_with_a_notice(
    scp: Scp, labs: Path, tmp_path: Path, lab_folder: Path
) -> None:
    """As with scp, a log that is being written must not fail a copy."""
    with (labs / "a").open("wb") as file:
        file.truncate(BIG)

    def grow() -> None:
        with (labs / "a").open("ab") as file:
            file.write(b"more")

    for direction in ("up", "down"):
        places = ends(direction, labs, tmp_path / direction)
        (copied,) = good(scp(*places, meter=Stops(grow)))
        assert not copied.skipped
        assert (tmp_path / direction / "a").stat().st_size >= BIG


def test_a_pipe_in_the_place_of_a_file_blocks_nothing(scp: Scp, labs: Path, tmp_path: Path) -> None:
    with (labs / "a").open("wb") as file:
        file.truncate(BIG)

    def swap() -> None:
        (labs / "sub" / "c").unlink()
        os.mkfifo(labs / "sub" / "c")

    (copied,) = good(scp(labs, f"{NODE}:{tmp_path}/new", meter=Stops(swap)))
    assert skipped_of(list(copied.skipped)) == {"c": "neither a file nor a folder"}


# -- files of the kernel


@BOTH
@pytest.mark.parametrize("path", ["/proc/version", "/sys/kernel/mm/transparent_hugepage/enabled"])
def test_a_file_of_the_kernel_is_read_to_its_end(
    scp: Scp, tmp_path: Path, direction: str, path: str
) -> None:
    if not Path(path).exists():
        pytest.skip(f"this kernel has no {path}")
    (copied,) = good(scp(*ends(direction, path, tmp_path / "copy")))
    assert (tmp_path / "copy").read_bytes() == Path(path).read_bytes()
    assert copied.bytes == (tmp_path / "copy").stat().st_size > 0


@BOTH
def test_a_folder_of_the_kernel_too(scp: Scp, tmp_path: Path, direction: str) -> None:
    good(scp(*ends(direction, "/proc/sys/kernel/random", tmp_path / "new")))
    assert (tmp_path / "new" / "boot_id").read_bytes() == Path(
        "/proc/sys/kernel/random/boot_id"
    ).read_bytes()


@BOTH
def test_a_link_to_a_file_of_the_kernel(scp: Scp, tmp_path: Path, direction: str) -> None:
    """/etc/mtab leads to /proc/self: what it means depends on who looks."""
    (tmp_path / "mtab").symlink_to("/proc/self/mounts")
    (tmp_path / "cpus").symlink_to("/proc/version")
    good(scp(*ends(direction, tmp_path / "cpus", tmp_path / "1")))
    assert (tmp_path / "1").read_text() == Path("/proc/version").read_text()
    good(scp(*ends(direction, tmp_path / "mtab", tmp_path / "2")))
    assert "/proc" in (tmp_path / "2").read_text()


def test_nothing_is_left_where_the_node_copied_such_files(scp: Scp, tmp_path: Path) -> None:
    before = set(Path(tempfile.gettempdir()).glob("tmp.*"))
    good(scp(f"{NODE}:/proc/version", tmp_path / "copy"))
    assert set(Path(tempfile.gettempdir()).glob("tmp.*")) <= before


def test_a_big_file_without_a_size(tmp_path: Path) -> None:
    """Read to its end, as the kernel's; a file that grows at once stands in for one."""
    data = os.urandom(3 * BLOCK + 7)
    (tmp_path / "f").write_bytes(b"")
    tree = Tree([str(tmp_path / "f")])
    (tmp_path / "f").write_bytes(data)
    (entry,) = tree.members()
    assert entry.size == len(data)
    (tmp_path / "g").write_bytes(b"12345")
    tree = Tree([str(tmp_path / "g")])
    (tmp_path / "g").write_bytes(b"123")
    (entry,) = tree.members()
    assert entry.size == 3


# -- patterns


def top(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


@pytest.fixture
def wild(tmp_path: Path) -> Path:
    """A folder with names that look like patterns, and names that patterns mean."""
    folder = tmp_path / "wild"
    folder.mkdir()
    for name in ("a1", "b1", "11", "ü", "sp ace", "*", "[x]", "x", "{a,b}", ".dot", "q'q"):
        (folder / name).write_text(name)
    for name in ("d1", "d2", ".hidden"):
        (folder / name).mkdir()
        (folder / name / "result.txt").write_text(name)
    (folder / "link").symlink_to("d1")
    return folder


@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        ("[^a]1", {"b1", "11", "d1"}),
        ("[!a]1", {"b1", "11", "d1"}),
        ("[[:digit:]]*", {"11"}),
        ("??", {"a1", "b1", "11", "d1", "d2", "ü"}),
        ("*/", {"d1", "d2", "link"}),
        ("d*/", {"d1", "d2"}),
        (r"sp\ ace", {"sp ace"}),
        ("sp*", {"sp ace"}),
        ("{a,b}1", {"a1", "b1"}),
        ("{a,b}", {"{a,b}"}),
        ("{a1,none*}", {"a1"}),
        ("[x]", {"x"}),
        (r"\[x]", {"[x]"}),
        (r"\*", {"*"}),
        (
            "*",
            {"a1", "b1", "11", "ü", "sp ace", "*", "[x]", "x", "{a,b}", "q'q", "d1", "d2", "link"},
        ),
        (".*", {".dot", ".hidden"}),
        ("[.]*", None),
        ("?dot", None),
        ("*'*", {"q'q"}),
        ("none*", None),
        ("x/*", None),
        ("x*/", None),
        ("d1/..", set()),
    ],
)
def test_what_a_pattern_brings(
    scp: Scp, wild: Path, tmp_path: Path, pattern: str, found: set[str] | None
) -> None:
    target = tmp_path / "target"
    target.mkdir()
    if found is None:
        with pytest.raises(TransferError, match="No such file or directory"):
            good(scp(f"{NODE}:{wild}/{pattern}", target))
        assert not names(target)
        return
    (copied,) = good(scp(f"{NODE}:{wild}/{pattern}", target))
    assert top(target) == (found or top(wild))
    # Of two alternatives only one may be there: the other is told.
    assert bool(copied.skipped) == (pattern == "{a1,none*}")


def test_several_need_a_folder_even_if_only_one_can_be_copied(
    scp: Scp, labs: Path, tmp_path: Path
) -> None:
    os.mkfifo(labs / "a2")
    with pytest.raises(TransferError, match="No such file or directory"):
        good(scp(f"{NODE}:{labs}/a*", tmp_path / "new"))
    with pytest.raises(TransferError, match="No such file or directory"):
        good(scp(f"{NODE}:{labs}/{{a,none}}", tmp_path / "new"))
    good(scp(f"{NODE}:{labs}/[a]", tmp_path / "new"))
    assert (tmp_path / "new").read_text() == "a"


def test_two_folders_may_not_fight_for_a_name(scp: Scp, wild: Path, tmp_path: Path) -> None:
    with pytest.raises(TransferError, match=r"several items called result\.txt"):
        good(scp(f"{NODE}:{wild}/*/result.txt", tmp_path))
    assert not (tmp_path / "result.txt").exists()
    good(scp(f"{NODE}:{wild}/d[1]/result.txt", tmp_path))
    assert (tmp_path / "result.txt").read_text() == "d1"


@pytest.mark.parametrize(
    ("asked", "answer"),
    [
        ("*.txt", "file /etc lab.yaml lab.yaml ''"),
        ("*", "file /etc .bashrc .bashrc ''"),
        ("*", "contents / . '' ''"),
        ("results", "contents / . '' ''"),
        ("results", "folder / x Results ''"),
        ("results", "folder / . results ''"),
        ("results", "folder x x results ''"),
        ("results", "folder / a/b results ''"),
        ("results", "device / a results ''"),
        (".", "folder / x . ''"),
        (".", "folder / x x ''"),
        ("?", "file / ab ab ''"),
        ("{a,b}", "file / c c ''"),
        ("x", "literal '' '' '' '' folder / y y ''"),
        ("x", "literal '' '' '' ''"),
        ("x", "''"),
        ("x", "folder / x x '' folder / x x ''"),
    ],
)
def test_a_node_sends_nothing_that_the_pattern_does_not_mean(
    scp: Scp, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, asked: str, answer: str
) -> None:
    monkeypatch.setattr(scripts, "LIST", f"printf '\\036\\n'; printf '%s\\0' {answer}")
    with pytest.raises(TransferError, match="does not match"):
        good(scp(f"{NODE}:/home/{asked}", tmp_path))


# -- the stream


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (("--totals", ""), "sent an unknown number of bytes"),
        (
            (
                '"$@" || status',
                '"$@" 2>/dev/null; echo "Total bytes written: 5 (x)" >&2; : || status',
            ),
            "sent 5 bytes, and 10,240 arrived",
        ),
        (('exit "$status"', "exit 7"), "exit code 7"),
        (("tar -c", "exit 0; tar -c"), "cut off or no tar|did not send"),
        (('exit "$status"', "head -c 3000000 /dev/zero"), "sent more data|cut off or no tar"),
    ],
)
def test_a_stream_that_is_not_whole_is_no_copy(
    scp: Scp,
    labs: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    change: tuple[str, str],
    words: str,
) -> None:
    assert change[0] in scripts.SEND
    monkeypatch.setattr(scripts, "SEND", scripts.SEND.replace(*change))
    with pytest.raises(TransferError, match=words):
        good(scp(f"{NODE}:{labs}", tmp_path / "new"))
    assert not (tmp_path / "new").exists()


# -- rights, and what people read


@pytest.mark.skipif(not ROOT, reason="only root may become another user")
class TestRights:
    """A login user who may not read everything."""

    @pytest.fixture
    def folder(self) -> Iterator[Path]:
        with tempfile.TemporaryDirectory() as name:
            Path(name).chmod(0o755)
            folder = Path(name)
            (folder / "d" / "closed").mkdir(parents=True)
            (folder / "d" / "closed" / "x").write_text("x")
            for file in ("open", "secret"):
                (folder / "d" / file).write_text(file)
            (folder / "d" / "secret").chmod(0o600)
            (folder / "d" / "closed").chmod(0o700)
            (folder / "link").symlink_to("d/closed/x")
            yield folder

    @pytest.fixture
    def source(self, folder: Path, tmp_path: Path) -> Iterator[Callable[..., NodeSource]]:
        self.skipped: list[Skipped] = []
        (tmp_path / "sshd").mkdir()
        shell = tmp_path / "shell"
        shell.write_text(USER.format(folder=folder))
        shell.chmod(0o755)
        server = Sshd(tmp_path / "sshd", command=str(shell))
        server.start()
        target = Target("n", "127.0.0.1", server.ports[0], "", (str(server.key),))
        connection = Connection(target, HostKeys(tmp_path / "known_hosts"))
        yield lambda path, **options: NodeSource(
            connection,
            str(path),
            **{"follow": False, "sudo": False, "skip": self.skipped.append, **options},
        )
        connection.close()
        server.stop()

    @pytest.mark.parametrize(
        "path",
        ["d/secret", "d/closed", "d/closed/x", "d/closed/*", "d/closed/none", "link", "d/s*"],
    )
    def test_unreadable_files_are_reported_with_a_fix(
        self, source: Callable[..., NodeSource], folder: Path, path: str, tmp_path: Path
    ) -> None:
        with pytest.raises(TransferError, match=r": Permission denied$") as caught:
            source(folder / path)
        assert path in caught.value.message or path == "d/s*"
        assert (caught.value.node, caught.value.hint) == ("n", "add --sudo")
        if "none" not in path:
            found = source(folder / path, sudo=True)
            FolderSink(str(tmp_path / "got")).take(found, lambda size: None, into=False)
            assert (tmp_path / "got").exists()

    def test_what_is_not_there_is_not_denied(
        self, source: Callable[..., NodeSource], folder: Path
    ) -> None:
        for path in ("none", "d/none", "none/x", "d/open/x", "d/none*", "no*/x"):
            with pytest.raises(TransferError, match="No such file or directory") as caught:
                source(folder / path)
            assert caught.value.hint == ""

    def test_the_rest_comes(
        self, source: Callable[..., NodeSource], folder: Path, tmp_path: Path
    ) -> None:
        found = source(folder / "d")
        FolderSink(str(tmp_path / "got")).take(found, lambda size: None, into=False)
        assert names(tmp_path / "got") == {"open"}
        assert skipped_of(self.skipped) == {
            "secret": "Permission denied",
            "closed": "Permission denied",
        }
        self.skipped.clear()
        into = tmp_path / "into"
        into.mkdir()
        FolderSink(str(into)).take(source(folder / "d/*"), lambda size: None, into=True)
        assert names(into) == {"open"}
        assert skipped_of(self.skipped).keys() == {"secret", "closed"}


def test_what_people_read(lab_folder: Path, labs: Path, tmp_path: Path) -> None:
    labctl = Labctl(lab_folder)
    os.mkfifo(labs / "pipe")
    (labs / "esc\x1b[2J").symlink_to("/etc")
    out, err = labctl("scp", f"{NODE}:{labs}", str(tmp_path / "new"), code=1)
    assert "3 files" in out
    assert f"skipped {NODE}:{labs}/pipe: neither a file nor a folder\n" in err
    assert "\x1b[2J" not in err
    assert "points outside the copy, to /etc" in err
    _, err = labctl("scp", str(labs / "confs"), f"{NODE}:", code=2)
    assert f"{labs}/confs: no such file or folder here" in err
    _, err = labctl("scp", f"{NODE}:/none", str(tmp_path), code=1)
    assert err.strip() == f"error: {NODE}: /none: No such file or directory"
    _, err = labctl("scp", str(labs / "a"), f"{NODE}9:/x", code=2)
    assert "this lab has no node 'docker-node19'" in err
    out, err = labctl("scp", str(labs), f"all:{tmp_path}/all", code=1)
    assert err.count("pipe") == 1  # one file of this computer's, for three nodes
