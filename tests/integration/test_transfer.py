"""Copies over a real sshd: what ends where, and what does not end anywhere."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import random
import re
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, ClassVar, cast

import pytest

from labctl.errors import LabctlError, TransferError, UsageError
from labctl.events import Event, Notice
from labctl.lab.actions.copy import Copied, CopyOptions, copy
from labctl.lab.lab import Lab
from labctl.lab.workspace import Workspace
from labctl.parallel import Result
from labctl.remote.connection import Connection
from labctl.remote.hostkeys import HostKeys
from labctl.remote.target import Target
from labctl.remote.transfer.entry import STAGE, Bytes, Entry, Kind, Root
from labctl.remote.transfer.local_sink import FolderSink
from labctl.remote.transfer.local_source import Tree
from labctl.remote.transfer.node_sink import NodeSink
from labctl.remote.transfer.node_source import NodeSource
from labctl.remote.transfer.skipped import Skipped
from tests.integration.sshd import Sshd

NAMES = ["plain", "with blanks  two", "ü 🐳", "-rf", "two\nlines", "$(id)`id`'\"\\", "*", ".hidden"]
ROOT = os.geteuid() == 0 if hasattr(os, "geteuid") else False


class Meter:
    """Counts what a copy tells."""

    wants_sizes = True

    def __init__(self) -> None:
        self.expected: dict[str, int] = {}
        self.done: dict[str, int] = {}

    def expect(self, node: str, size: int) -> None:
        self.expected[node] = self.expected.get(node, 0) + size

    def moved(self, node: str, size: int) -> None:
        self.done[node] = self.done.get(node, 0) + size


Scp = Callable[..., list[Result[Copied]]]


class OneConnection(Lab):
    """A lab whose connections outlive a copy, so that a test need not wait for the next one."""

    connections: ClassVar[dict[Target, Connection]] = {}

    def connection(self, name: str, **options: Any) -> Connection:
        found = self.connections.setdefault(self.target(name), super().connection(name, **options))
        return cast(Connection, contextlib.nullcontext(found))


@pytest.fixture
def scp(lab_folder: Path) -> Scp:
    """Copy as `labctl scp` does, in a lab of three nodes."""

    def run(
        *places: str | Path, meter: Meter | None = None, **options: Any
    ) -> list[Result[Copied]]:
        lab = OneConnection.open(Workspace.find(str(lab_folder)), {}, emit=lambda event: None)
        return copy(lab, [str(place) for place in places], CopyOptions(**options), meter or Meter())

    return run


@pytest.fixture(scope="module", autouse=True)
def closed() -> Iterator[None]:
    """Close the connections in the end."""
    yield
    for connection in OneConnection.connections.values():
        connection.close()
    OneConnection.connections.clear()


def good(results: list[Result[Copied]]) -> list[Copied]:
    """Return what was copied, all of it without an error."""
    for result in results:
        if result.error is not None:
            raise result.error
    return [result.value for result in results if result.value is not None]


def digests(folder: Path) -> dict[str, str]:
    """Return a digest of each file and the target of each link below a folder."""
    found = {}
    for path in sorted(folder.rglob("*")):
        name = str(path.relative_to(folder))
        if path.is_symlink():
            found[name] = f"-> {path.readlink()}"
        elif path.is_file():
            found[name] = hashlib.sha256(path.read_bytes()).hexdigest()
        else:
            found[name] = "folder"
    return found


def no_stage(folder: Path) -> bool:
    """Return True if no temporary folder is left."""
    return not list(folder.rglob(f"{STAGE}*"))


@pytest.fixture
def labs(tmp_path: Path) -> Path:
    """A folder with two files in it and one below."""
    folder = tmp_path / "labs"
    (folder / "sub").mkdir(parents=True)
    (folder / "a").write_text("a")
    (folder / "b").write_text("b")
    (folder / "sub" / "c").write_text("c")
    return folder


TREE = {"a", "b", "sub", "sub/c"}


def names(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}


@pytest.mark.parametrize("direction", ["up", "down", "across"])
@pytest.mark.parametrize(
    ("source", "before", "destination", "after"),
    [
        # What scp -r does: a folder that is there is gone into, another one comes about.
        ("labs", [], "new", {"new", *(f"new/{name}" for name in TREE)}),
        ("labs", [], "new/", {"new", *(f"new/{name}" for name in TREE)}),
        ("labs/", [], "new", {"new", *(f"new/{name}" for name in TREE)}),
        ("labs", ["dst/"], "dst", {"dst", "dst/labs", *(f"dst/labs/{n}" for n in TREE)}),
        ("labs/", ["dst/"], "dst/", {"dst", "dst/labs", *(f"dst/labs/{n}" for n in TREE)}),
        ("labs/.", ["dst/"], "dst", {"dst", *(f"dst/{name}" for name in TREE)}),
        ("labs/.", [], "new", {"new", *(f"new/{name}" for name in TREE)}),
        (
            "labs",
            ["dst/labs/sub/", "dst/labs/old", "dst/labs/a"],
            "dst",
            {"dst", "dst/labs", "dst/labs/old", *(f"dst/labs/{n}" for n in TREE)},
        ),
        ("labs/a", [], "new", {"new"}),
        ("labs/a", ["dst/"], "dst", {"dst", "dst/a"}),
        ("labs/a", ["dst/a"], "dst/a", {"dst", "dst/a"}),
        ("labs/[ab]", ["dst/"], "dst", {"dst", "dst/a", "dst/b"}),
        ("labs/?", ["dst/"], "dst", {"dst", "dst/a", "dst/b"}),
        # And what it refuses.
        ("labs/a", [], "new/", "No such file or directory"),
        ("labs/a", [], "no/new", "No such file or directory"),
        ("labs", [], "no/new", "No such file or directory"),
        ("labs/[ab]", [], "new", "No such file or directory"),
        ("labs/[ab]", ["dst/x"], "dst/x", "Not a directory"),
        ("labs", ["dst/labs"], "dst", "Not a directory"),
        ("labs", ["dst/x"], "dst/x", "Not a directory"),
        ("labs/a", ["dst/a/"], "dst", "Is a directory"),
    ],
)
def test_what_ends_where(
    scp: Scp,
    labs: Path,
    tmp_path: Path,
    direction: str,
    source: str,
    before: list[str],
    destination: str,
    after: set[str] | str,
) -> None:
    there = tmp_path / "there"
    there.mkdir()
    for name in before:
        path = there / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.mkdir() if name.endswith("/") else path.write_text("old")
    old = names(there)
    left = "docker-node1:" if direction != "up" else ""
    right = "docker-node2:" if direction != "down" else ""
    places = f"{left}{labs.parent}/{source}", f"{right}{there}/{destination}"
    if isinstance(after, str):
        with pytest.raises(TransferError) as caught:
            good(scp(*places))
        assert after in caught.value.message
        assert names(there) == old
    else:
        good(scp(*places))
        assert names(there) == after
        assert not [p for p in there.rglob("[abc]") if p.is_file() and p.read_text() == "old"]


@pytest.mark.parametrize("direction", ["up", "down", "across"])
def test_names_modes_times_and_links_are_kept(scp: Scp, tmp_path: Path, direction: str) -> None:
    source = tmp_path / "a folder"
    for folder in (".", "ü 🐳 d", "-d", "two\nlines d"):
        (source / folder).mkdir(exist_ok=True)
        for index, name in enumerate(NAMES):
            path = source / folder / name
            path.write_text(name)
            path.chmod((0o600, 0o644, 0o755, 0o444)[index % 4])
            os.utime(path, (1_000_000_000 + index, 1_000_000_000 + index))
    (source / "-d" / "link").symlink_to("../plain")
    (source / "nowhere").symlink_to("not/there")
    (source / "empty").mkdir(mode=0o700)
    (source / "-d").chmod(0o555)
    os.utime(source / "-d", (1_100_000_000, 1_100_000_000))
    os.link(source / "plain", source / "same")
    left = "docker-node1:" if direction != "up" else ""
    right = "docker-node2:" if direction != "down" else ""
    target = tmp_path / "there, ü"
    good(scp(f"{left}{source}", f"{right}{target}"))
    (source / "-d").chmod(0o755)
    (target / "-d").chmod(stat.S_IMODE((target / "-d").stat().st_mode) | 0o200)
    assert digests(target) == digests(source)
    for path in source.rglob("*"):
        if not path.is_symlink():
            same = target / path.relative_to(source)
            assert stat.S_IMODE(same.stat().st_mode) == stat.S_IMODE(path.stat().st_mode), path
            assert int(same.stat().st_mtime) == int(path.stat().st_mtime), path
    assert no_stage(tmp_path)


@pytest.fixture
def quick_folder(tmp_path: Path) -> Iterator[Path]:
    """A folder in memory where there is one, since thousands of files take their time on a disk."""
    memory = Path("/dev/shm")
    if not os.access(memory, os.W_OK):
        yield tmp_path
        return
    with tempfile.TemporaryDirectory(dir=memory) as folder:
        yield Path(folder)


def test_a_big_file_and_many_small_ones_arrive_bit_by_bit(scp: Scp, quick_folder: Path) -> None:
    source = quick_folder / "source"
    generator = random.Random(1)
    for index in range(2000):
        folder = source / f"d{index % 20}"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"f{index}").write_bytes(generator.randbytes(index % 1500))
    (source / "big").write_bytes(generator.randbytes(50_000_001))
    size = sum(path.stat().st_size for path in source.rglob("*") if path.is_file())
    meter = Meter()
    up = good(scp(source, f"docker-node1:{quick_folder}/up", meter=meter))
    assert (up[0].files, up[0].bytes) == (2001, size)
    assert meter.expected == meter.done == {"docker-node1": size}
    down = good(scp(f"docker-node2:{quick_folder}/up", quick_folder / "down"))
    assert (down[0].files, down[0].bytes) == (2001, size)
    assert digests(quick_folder / "down") == digests(source)


def test_one_copy_for_every_node_and_from_every_node(scp: Scp, labs: Path, tmp_path: Path) -> None:
    # The three nodes are one machine, so each adds to what the one before it made.
    results = scp(labs, labs / "a", f"all:{tmp_path}")
    assert [result.node for result in results] == ["docker-node1", "docker-node2", "docker-node3"]
    good(results)
    here = tmp_path / "here"
    here.mkdir()
    good(scp(f"docker-node[12]:{labs}/a", here))
    assert names(here) == {"docker-node1", "docker-node1/a", "docker-node2", "docker-node2/a"}


def test_one_node_fails_and_the_others_finish(
    scp: Scp, labs: Path, tmp_path: Path, lab_folder: Path
) -> None:
    spec = lab_folder / "lab.yaml"
    machines = json.loads(spec.read_text())
    machines["machines"][1]["key"] = str(tmp_path / "no-such-key")
    spec.write_text(json.dumps(machines))
    results = scp(labs / "a", f"all:{tmp_path}/copy")
    assert [result.ok for result in results] == [True, False, True]
    assert (tmp_path / "copy").read_text() == "a"


def test_relative_paths_begin_at_home(scp: Scp, tmp_path: Path) -> None:
    name = f"labctl-test-{os.getpid()}"
    (tmp_path / name).write_text("x")
    home = Path.home() / name
    try:
        for place in ("", "~", "~/", name, f"~/{name}"):
            good(scp(tmp_path / name, f"docker-node1:{place}"))
            assert home.read_text() == "x"
            home.unlink()
    finally:
        home.unlink(missing_ok=True)


def test_a_file_goes_to_where_a_link_leads(scp: Scp, labs: Path, tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "file").write_text("old")
    (tmp_path / "link").symlink_to("real/file")
    good(scp(labs / "a", f"docker-node1:{tmp_path}/link"))
    good(scp(f"docker-node1:{labs}/b", tmp_path / "link"))
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real" / "file").read_text() == "b"


def test_links_that_leave_the_tree(scp: Scp, labs: Path, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("s")
    (labs / "out").symlink_to("../secret")
    good(scp(labs, f"docker-node1:{tmp_path}/up"))  # ours: followed, as by scp
    assert (tmp_path / "up" / "out").read_text() == "s"
    assert not (tmp_path / "up" / "out").is_symlink()
    (copied,) = good(scp(f"docker-node1:{labs}", tmp_path / "part"))
    why = "a link that points outside the copy, to ../secret"
    assert copied.skipped == (Skipped("docker-node1", f"{labs}/out", why),)
    assert names(tmp_path / "part") == TREE
    good(scp(f"docker-node1:{labs}", tmp_path / "down", follow=True))
    assert (tmp_path / "down" / "out").read_text() == "s"
    (labs / "loop").symlink_to("..")
    with pytest.raises(TransferError, match="links to a folder"):
        scp(labs, f"docker-node1:{tmp_path}/again")


def test_sources_that_cannot_be_had(scp: Scp, labs: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no such file"):
        scp(tmp_path / "none", "docker-node1:")
    with pytest.raises(TransferError, match="No such file"):
        good(scp(f"docker-node1:{tmp_path}/none", tmp_path))
    with pytest.raises(TransferError, match="No such file"):
        good(scp(f"docker-node1:{tmp_path}/none*", tmp_path))
    os.mkfifo(labs / "pipe")
    with pytest.raises(TransferError, match="neither a file nor a folder"):
        scp(labs / "pipe", f"docker-node1:{tmp_path}/x")
    with pytest.raises(TransferError, match="neither a file nor a folder"):
        good(scp(f"docker-node1:{labs}/pipe", tmp_path / "x"))
    with pytest.raises(TransferError, match="Not a regular file"):
        good(scp(labs / "a", "docker-node1:/dev/null"))
    assert stat.S_ISCHR(Path("/dev/null").stat().st_mode)


def test_local_names_that_begin_with_a_tilde(
    scp: Scp, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Word leaves such a file beside one that it has open, and `*` takes it too."""
    for folder in ("labs", "there", "here"):
        (tmp_path / folder).mkdir()
    monkeypatch.chdir(tmp_path / "labs")
    for name in ("~$labs.docx", "~", "~root"):
        (tmp_path / "labs" / name).write_text(name)
    good(scp("~$labs.docx", "~", "~root", f"docker-node1:{tmp_path}/there"))
    assert digests(tmp_path / "there") == digests(tmp_path / "labs")
    monkeypatch.chdir(tmp_path / "here")
    good(scp(f"docker-node1:{tmp_path}/there/~root", "~$copy"))
    assert names(tmp_path / "here") == {"~$copy"}
    with pytest.raises(UsageError, match="no such file"):
        scp("~$none", "docker-node1:")
    with pytest.raises(UsageError, match="no such folder"):
        scp(f"all:{tmp_path}/there/~root", "~$none/below")
    with pytest.raises(UsageError, match="is not a folder"):
        scp(f"all:{tmp_path}/there/~root", "~$copy")
    good(scp(f"all:{tmp_path}/there/~root", "~$new"))
    assert {path.name for path in (tmp_path / "here" / "~$new").iterdir()} >= {"docker-node1"}
    assert (tmp_path / "here/~$new/docker-node1/~root").read_text() == "~root"


class Named:
    """A source with one empty file of some name."""

    size = 0

    def __init__(self, name: str) -> None:
        self.roots = (Root(name, Kind.FILE),)
        self.begun = False

    def members(self) -> Iterator[Entry]:
        self.begun = True
        yield Entry(0, (), Kind.FILE, 0o644, 5)


@pytest.mark.parametrize(
    "name", ["..\\..\\x.bat", "C:\\Users\\x", "C:x", "a:stream", "..", "con", "end."]
)
def test_on_windows_no_name_of_a_node_leads_elsewhere(tmp_path: Path, name: str) -> None:
    source = Named(name)
    with pytest.raises(TransferError, match="Windows cannot store"):
        FolderSink(str(tmp_path), windows=True).take(source, lambda size: None, into=False)
    assert not source.begun
    FolderSink(str(tmp_path / "mine"), windows=True).take(source, lambda size: None, into=False)
    assert names(tmp_path) == {"mine"}  # a name of the user's own is none of the node's


class Breaking:
    """A source that goes wrong in the middle of its only file."""

    roots = (Root("big", Kind.FILE),)
    size = 50_000_000

    def __init__(self, breaks: Callable[[], None]) -> None:
        self._breaks = breaks

    def members(self) -> Iterator[Entry]:
        yield Entry(0, (), Kind.FILE, 0o644, 5, self.size, content=self._content)

    def _content(self) -> Iterator[Bytes]:
        for index in range(500):
            if index == 100:
                self._breaks()
            yield bytes(100_000)


def wait_until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_a_copy_to_a_node_that_breaks_off_leaves_nothing(sshd: Sshd, tmp_path: Path) -> None:
    (tmp_path / "big").write_text("old")
    connection = sshd.connection()
    with pytest.raises(LabctlError):
        NodeSink(connection, str(tmp_path), sudo=False, owner="", notice=print).take(
            Breaking(connection.transport.close), lambda size: None, into=False
        )
    wait_until(lambda: no_stage(tmp_path))
    assert names(tmp_path) == {"big"}
    assert (tmp_path / "big").read_text() == "old"


def test_a_copy_from_a_node_that_breaks_off_leaves_nothing(tmp_path: Path) -> None:
    def fail() -> None:
        raise TransferError("the connection broke")

    (tmp_path / "big").write_text("old")
    with pytest.raises(TransferError):
        FolderSink(str(tmp_path)).take(Breaking(fail), lambda size: None, into=False)
    assert names(tmp_path) == {"big"}
    assert (tmp_path / "big").read_text() == "old"


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_labctl_killed_during_a_copy(
    how: signal.Signals, scp: Scp, lab_folder: Path, quick_folder: Path, tmp_path: Path
) -> None:
    there, here = quick_folder / "there", quick_folder / "here"
    there.mkdir()
    here.mkdir()
    with (quick_folder / "big").open("wb") as file:
        file.truncate(3 << 30)  # a hole, which is read but takes no room
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    for places, at in (
        ((f"{quick_folder}/big", f"docker-node1:{there}"), there),
        ((f"docker-node1:{quick_folder}/big", str(here)), here),
    ):
        process = subprocess.Popen(
            [sys.executable, "-m", "labctl.cli.main", "-C", str(lab_folder), "scp", *places],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=environment,
        )
        wait_until(lambda at=at: not no_stage(at))  # type: ignore[misc]
        process.send_signal(how)
        assert process.wait(15) == (130 if how is signal.SIGINT else -how)
        if at is there or how is signal.SIGINT:
            wait_until(lambda at=at: no_stage(at))  # type: ignore[misc]
    (tmp_path / "small").write_text("x")
    good(scp(f"docker-node1:{tmp_path}/small", here))  # and what SIGKILL left here is removed
    assert names(quick_folder) == {"there", "here", "here/small", "big"}


def test_what_killed_copies_left_is_cleaned_up(scp: Scp, labs: Path, tmp_path: Path) -> None:
    dead = subprocess.Popen(["true"])
    dead.wait()
    host = re.sub("[^A-Za-z0-9-]", "-", socket.gethostname())
    old = time.time() - 2 * 86400
    there, here = tmp_path / "there", tmp_path / "here"
    kept = {
        f"{STAGE}{host}.{os.getpid()}.abc",
        f"{STAGE}another.{dead.pid}.abc",  # by a machine that has this folder too, and works still
        f"{STAGE}notes",
        f"{STAGE}{host}.notes",
    }
    for folder in (there, here):
        (folder / f"{STAGE}{host}.{dead.pid}.abc" / "0").mkdir(parents=True)
        (folder / f"{STAGE}another.{dead.pid}.old").mkdir()
        os.utime(folder / f"{STAGE}another.{dead.pid}.old", (old, old))
        for name in kept:
            (folder / name).mkdir()
    good(scp(labs / "a", f"docker-node1:{there}"))
    good(scp(f"docker-node1:{labs}/a", here))
    for folder in (there, here):
        assert names(folder) == {"a", *kept}


def test_a_temporary_folder_names_its_creator(
    sshd: Sshd, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Machines that share a folder remove each other's only by their age."""
    host = re.sub("[^A-Za-z0-9-]", "-", socket.gethostname())
    seen: list[str] = []
    look = Breaking(lambda: seen.extend(path.name for path in tmp_path.glob(f"{STAGE}*")))
    with sshd.connection() as connection:
        NodeSink(connection, str(tmp_path), sudo=False, owner="", notice=print).take(
            look, lambda size: None, into=False
        )
    FolderSink(str(tmp_path)).take(look, lambda size: None, into=False)
    assert len(seen) == 2
    assert all(re.fullmatch(rf"{STAGE}{host}\.[0-9]+\.[^.]+", name) for name in seen)
    seen.clear()
    monkeypatch.setattr(socket, "gethostname", lambda: "pc 1.lan/x")
    FolderSink(str(tmp_path)).take(look, lambda size: None, into=False)
    assert seen[0].startswith(f"{STAGE}pc-1-lan-x.")


def test_two_copies_at_once_do_not_meet(scp: Scp, labs: Path, tmp_path: Path) -> None:
    threads = [
        threading.Thread(target=lambda n=n: good(scp(labs, f"docker-node{n}:{tmp_path}/to")))
        for n in (1, 2, 3)
    ]
    (tmp_path / "to").mkdir()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert digests(tmp_path / "to" / "labs") == digests(labs)


@pytest.mark.skipif(not ROOT, reason="only root mounts a small disk")
def test_a_full_disk_on_the_node_is_reported_and_the_old_file_kept(
    scp: Scp, tmp_path: Path
) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "none", str(disk)],
        check=False,
        capture_output=True,
    )
    if mounted.returncode:
        pytest.skip("a tmpfs cannot be mounted here")
    try:
        (disk / "big").write_text("old")
        (tmp_path / "big").write_bytes(bytes(20_000_000))
        for places in (
            (tmp_path / "big", f"docker-node1:{disk}"),
            (f"docker-node1:{tmp_path}/big", disk),
        ):
            with pytest.raises(TransferError, match="No space left") as caught:
                good(scp(*places))
            assert caught.value.node == "docker-node1"
            assert names(disk) == {"big"}
            assert (disk / "big").read_text() == "old"
    finally:
        subprocess.run(["umount", str(disk)], check=True)


USER = """#!/bin/sh
# Runs what is asked for as a user with no rights, and what is asked of sudo as root.
case $SSH_ORIGINAL_COMMAND in
"sudo -n "*) [ -e {folder}/no-sudo ] && {{ echo 'sudo: a password is required' >&2; exit 1; }}
  [ ! -e {folder}/warns ] || echo 'sudo: unable to resolve host pc1: Cannot find it' >&2
  export SUDO_UID=65534 SUDO_GID=65534; exec sh -c "${{SSH_ORIGINAL_COMMAND#sudo -n }}" ;;
esac
exec setpriv --reuid=65534 --regid=65534 --clear-groups sh -c "$SSH_ORIGINAL_COMMAND"
"""


@pytest.mark.skipif(not ROOT, reason="only root may become another user")
class TestRights:
    """A login user with no rights in a folder of root's, and a sudo that stands in for the real."""

    @pytest.fixture
    def folder(self) -> Iterator[Path]:
        """A folder that everybody may look into, as pytest's own is not."""
        with tempfile.TemporaryDirectory() as name:
            Path(name).chmod(0o755)
            yield Path(name)

    @pytest.fixture
    def sink(self, folder: Path, tmp_path: Path) -> Iterator[Callable[..., NodeSink]]:
        self.notices: list[Event] = []
        (tmp_path / "sshd").mkdir()
        self.shell = tmp_path / "shell"
        self.shell.write_text(USER.format(folder=folder))
        self.shell.chmod(0o755)
        server = Sshd(tmp_path / "sshd", command=str(self.shell))
        server.start()
        target = Target("n", "127.0.0.1", server.ports[0], "", (str(server.key),))
        connection = self.connection = Connection(target, HostKeys(tmp_path / "known_hosts"))

        def make(path: Path, sudo: bool = False, owner: str = "") -> NodeSink:
            return NodeSink(
                connection,
                str(path),
                sudo=sudo,
                owner=owner,
                notice=lambda text: self.notices.append(Notice("n", text)),
            )

        yield make
        connection.close()
        server.stop()

    def take(self, sink: NodeSink, *sources: Path) -> None:
        sink.take(Tree([str(s) for s in sources]), lambda size: None, into=len(sources) > 1)

    def owners(self, path: Path) -> set[int]:
        return {found.lstat().st_uid for found in (path, *path.rglob("*"))}

    def test_where_the_user_may_write_no_root_is_needed(
        self, sink: Callable[..., NodeSink], folder: Path, labs: Path
    ) -> None:
        os.chown(folder, 65534, 65534)
        (folder / "no-sudo").touch()
        (labs / "sub").chmod(0o555)
        self.take(sink(folder), labs)
        self.take(sink(folder), labs)  # into the folder without write permission, once more
        assert self.owners(folder / "labs") == {65534}
        assert not self.notices

    def test_something_new_is_made_as_root_and_belongs_to_the_user(
        self, sink: Callable[..., NodeSink], folder: Path, labs: Path
    ) -> None:
        self.take(sink(folder / "chapter5"), labs)
        assert self.owners(folder / "chapter5") == {65534}
        assert digests(folder / "chapter5") == digests(labs)
        assert len(self.notices) == 1
        self.take(sink(folder / "chapter5"), labs)
        assert len(self.notices) == 1
        hidden = folder / "hidden"
        hidden.mkdir(mode=0o700)
        self.take(sink(hidden / "x"), labs / "a")
        assert self.owners(hidden / "x") == {65534}

    def test_something_old_is_only_replaced_with_sudo(
        self, sink: Callable[..., NodeSink], folder: Path, labs: Path
    ) -> None:
        (folder / "a").write_text("old")
        for target in (folder, folder / "a"):
            with pytest.raises(TransferError, match="would replace") as caught:
                self.take(sink(target), labs / "a")
            assert "--sudo" in caught.value.hint
        assert (folder / "a").read_text() == "old"
        self.take(sink(folder / "a", sudo=True), labs / "a")
        assert (folder / "a").read_text() == "a"
        assert self.owners(folder / "a") == {65534}
        self.take(sink(folder / "a", sudo=True, owner="1:2"), labs / "b")
        assert ((folder / "a").stat().st_uid, (folder / "a").stat().st_gid) == (1, 2)
        assert not self.notices

    def test_what_only_root_can_see_is_only_replaced_with_sudo(
        self, sink: Callable[..., NodeSink], folder: Path, labs: Path
    ) -> None:
        hidden = folder / "root"
        (hidden / "labs").mkdir(parents=True)
        hidden.chmod(0o550)
        for name in ("a", "labs/a"):
            (hidden / name).write_text("old")
        for target, source in (
            (hidden, labs / "a"),
            (hidden / "a", labs / "b"),
            (hidden, labs),
            (hidden / "labs", labs / "a"),
        ):
            with pytest.raises(TransferError, match="would replace") as caught:
                self.take(sink(target), source)
            assert "--sudo" in caught.value.hint
        with pytest.raises(TransferError, match="would replace"):
            sink(hidden).take(Tree([f"{labs}/."]), lambda size: None, into=False)
        assert names(hidden) == {"a", "labs", "labs/a"}
        assert {path.read_text() for path in (hidden / "a", hidden / "labs" / "a")} == {"old"}
        assert self.owners(hidden) == {0}
        assert not self.notices
        self.take(sink(hidden), labs / "b")  # something new
        assert (hidden / "b").read_text() == "b"
        assert len(self.notices) == 1
        self.take(sink(hidden / "a", sudo=True), labs / "a")
        assert (hidden / "a").read_text() == "a"

    def test_a_link_that_leads_nowhere_is_something_old(
        self, sink: Callable[..., NodeSink], folder: Path, labs: Path
    ) -> None:
        (folder / "resolv.conf").symlink_to("../run/none")
        (labs / "a").rename(labs / "resolv.conf")
        for target in (folder, folder / "resolv.conf"):
            with pytest.raises(TransferError, match="would replace"):
                self.take(sink(target), labs / "resolv.conf")
        assert (folder / "resolv.conf").is_symlink()

    def test_a_content_may_become_a_folder_of_roots(
        self, sink: Callable[..., NodeSink], folder: Path, labs: Path
    ) -> None:
        sink(folder / "chapter5").take(Tree([f"{labs}/."]), lambda size: None, into=False)
        assert digests(folder / "chapter5") == digests(labs)
        with pytest.raises(TransferError, match="would replace"):
            sink(folder).take(Tree([f"{labs}/."]), lambda size: None, into=False)

    @pytest.mark.parametrize("name", ["contents", "file", "folder"])
    def test_names_that_are_words_of_the_script_too(
        self, sink: Callable[..., NodeSink], folder: Path, labs: Path, name: str
    ) -> None:
        self.take(sink(folder), (labs / "a").rename(labs / name))
        assert (folder / name).read_text() == "a"
        self.take(sink(folder / "more"), labs.rename(labs.with_name(name)))
        assert len(self.notices) == 2

    def test_a_warning_of_sudo_is_no_refusal(
        self, sink: Callable[..., NodeSink], folder: Path, labs: Path, tmp_path: Path
    ) -> None:
        (folder / "warns").touch()
        self.take(sink(folder / "new", sudo=True), labs)
        assert digests(folder / "new") == digests(labs)
        self.take(sink(folder / "copy"), labs)
        with pytest.raises(TransferError, match=r"^/.*No such file or directory$") as caught:
            self.take(sink(folder / "none" / "x", sudo=True), labs)
        assert "sudo" not in caught.value.details
        with pytest.raises(TransferError, match="No such file or directory"):
            NodeSource(self.connection, f"{folder}/none", follow=False, sudo=True)
        found = NodeSource(self.connection, f"{folder}/new", follow=False, sudo=True)
        FolderSink(str(tmp_path / "back")).take(found, lambda size: None, into=False)
        assert digests(tmp_path / "back") == digests(labs)

    def test_without_sudo_it_says_what_is_missing(
        self, sink: Callable[..., NodeSink], folder: Path, labs: Path
    ) -> None:
        (folder / "no-sudo").touch()
        with pytest.raises(TransferError, match="may not become root either"):
            self.take(sink(folder / "new"), labs)
        assert names(folder) == {"no-sudo"}
        with pytest.raises(TransferError, match="No such file or directory"):
            self.take(sink(folder / "none" / "new"), labs)
