"""The state of a lab, and the lock against concurrent runs."""

from __future__ import annotations

import contextlib
import errno
import io
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from labctl import storage
from labctl.errors import LabLocked, StateError
from labctl.lab import state
from labctl.lab.state import NodeRecord, State
from labctl.lab.workspace import Workspace
from labctl.provision.facts import Facts
from labctl.remote.target import Target
from labctl.storage import write

POSIX = pytest.mark.skipif(os.name != "posix", reason="Windows has no such permissions")
RECORD = NodeRecord(
    Target("a", "127.0.0.1", 2222, "vagrant", ("/k 1", "/k2"), jump="anna@bastion"),
    Facts("4f9c", "x86_64", "centos", "7"),
    {"mirrors.live": {"script": "curl", "answer": ["https://a"]}},
)


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    found = Workspace(tmp_path, None, tmp_path / ".labctl")
    found.make()
    return found


@pytest.fixture
def lab(workspace: Workspace) -> State:
    return State(workspace)


# -- writing


@pytest.mark.parametrize("text", ["", "a\nb\n", "ü 🐳\r\n", "x" * 1_000_000])
def test_write(tmp_path: Path, text: str) -> None:
    path = tmp_path / "a"
    for _ in range(2):
        write(path, text)
        assert path.read_bytes() == text.encode()
    assert list(tmp_path.iterdir()) == [path]


@POSIX
def test_what_is_written_is_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.touch(mode=0o644)
    write(path, "secret")
    assert path.stat().st_mode & 0o777 == 0o600


class FullDisk(io.StringIO):
    """A file on a disk that is full: what was written goes nowhere when it is closed."""

    def __init__(self, descriptor: int) -> None:
        super().__init__()
        self._descriptor = descriptor

    def close(self) -> None:
        if not self.closed:
            os.close(self._descriptor)
            super().close()
            raise OSError(errno.ENOSPC, "No space left on device")


def test_a_full_disk_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a"
    write(path, "old")
    monkeypatch.setattr(
        storage, "open", lambda descriptor, *_, **__: FullDisk(descriptor), raising=False
    )
    with pytest.raises(StateError, match="cannot be written: No space left") as caught:
        write(path, "new")
    assert caught.value.hint
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(StateError, match="cannot be written"):
        write(tmp_path / "nowhere" / "a", "x")


# -- nodes


def test_a_node_is_remembered(lab: State) -> None:
    assert lab.node("a") == NodeRecord()
    lab.save("a", RECORD)
    assert lab.node("a") == RECORD
    assert State(lab.workspace).node("a") == RECORD
    lab.forget("a")
    assert lab.node("a") == NodeRecord()
    lab.forget("a")


def test_answers_of_any_bytes_are_remembered(lab: State) -> None:
    record = NodeRecord(choices={"k": {"script": "x", "answer": "caf\udce9 ü"}})
    lab.save("a", record)
    assert lab.node("a") == record


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "null",
        b"\xff\xfe",
        '{"target": {"name": "a"}}',
        '{"target": "127.0.0.1"}',
        '{"target": {"name": "a", "host": "b", "colour": "red"}}',
        '{"facts": {"machine_id": "a"}}',
        '{"facts": [1]}',
        '{"choices": [1]}',
        '{"choices": 7}',
    ],
)
def test_a_damaged_cache_is_ignored(lab: State, text: str | bytes) -> None:
    """Its content can be recreated, so no run should fail because of it."""
    path = lab.workspace.node("a")
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    assert lab.node("a") == NodeRecord()
    lab.save("a", RECORD)
    assert lab.node("a") == RECORD


def test_ssh_config_names_every_node_that_is_known(lab: State) -> None:
    lab.save("b", NodeRecord(Target("b", "10.0.0.2")))
    lab.save("a", RECORD)
    lab.save("c", NodeRecord())
    text = lab.workspace.ssh_config.read_text()
    assert [line for line in text.splitlines() if line.startswith("Host ")] == ["Host a", "Host b"]
    assert str(lab.workspace.known_hosts) in text
    lab.forget("a")
    assert "Host a" not in lab.workspace.ssh_config.read_text()


def test_flags_and_provider(lab: State) -> None:
    assert (lab.flags(), lab.provider()) == ({}, "")
    lab.save_flags({"nodes": 3})
    lab.save_provider("libvirt")
    assert (lab.flags(), lab.provider()) == ({"nodes": 3}, "libvirt")
    lab.save_provider("")
    lab.save_provider("")
    assert lab.provider() == ""


def test_the_identity_is_kept_as_long_as_there_are_machines(lab: State) -> None:
    lab.save_flags({"nodes": 3})
    lab.save_provider("libvirt")
    lab.keep_identity("course", "192.168.57.0/24")
    assert lab.flags() == {"nodes": 3, "name": "course", "network": "192.168.57.0/24"}
    lab.forget_identity()
    assert (lab.flags(), lab.provider()) == ({"nodes": 3}, "")


def test_a_full_disk_keeps_nobody_from_the_lock(
    lab: State, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`destroy` has to make room; who holds the lock is only for another one's message."""
    lab.workspace.holder.write_text('{"command": "of long ago"}')

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("tempfile.mkstemp", full)
    with lab.locked("destroy"):
        assert not lab.workspace.holder.exists()
        with pytest.raises(LabLocked, match="another labctl"), State(lab.workspace).locked("up"):
            pytest.fail("two have the lock")


# -- permissions


@POSIX
def test_the_state_is_for_its_owner_alone(tmp_path: Path) -> None:
    folder = tmp_path / ".labctl"
    folder.mkdir(mode=0o755)
    lab = State(Workspace(tmp_path, None, folder))
    with lab.locked("up"):
        lab.save("a", RECORD)
        lab.save_flags({})
        modes = {
            str(path.relative_to(tmp_path)): path.stat().st_mode & 0o777
            for path in [folder, *folder.rglob("*")]
        }
    folders = {".labctl", ".labctl/logs", ".labctl/nodes"}
    files = {".labctl/nodes/a.json", ".labctl/flags.json", ".labctl/lock.holder"}
    assert folders | files <= set(modes)
    assert modes == {name: 0o700 if name in folders else 0o600 for name in modes}


# -- the lock


HOLD = """
import sys, pathlib
from labctl.lab.state import State
from labctl.lab.workspace import Workspace
folder = pathlib.Path(sys.argv[1])
with State(Workspace(folder, None, folder / ".labctl")).locked("up --nodes 2"):
    print("held", flush=True)
    sys.stdin.read()
"""


@contextlib.contextmanager
def other_process(folder: Path) -> Iterator[subprocess.Popen[str]]:
    """Let another process hold the lock, until it is told to end."""
    root = Path(state.__file__).parents[2]
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=root,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        try:
            yield process
        finally:
            process.kill()


def test_two_processes(lab: State) -> None:
    with other_process(lab.workspace.folder) as process:
        with pytest.raises(LabLocked) as caught, lab.locked("destroy"):
            raise AssertionError("both hold it")
        message = caught.value.message
        assert message.startswith("this lab is in use by `labctl up --nodes 2` of ")
        assert f"(process {process.pid})" in message
        assert re.search(r"since \d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[+-]", message)
        process.communicate("")
        assert process.returncode == 0
    with lab.locked("destroy"):
        holder = json.loads(lab.workspace.holder.read_text())
        assert (holder["command"], holder["pid"]) == ("destroy", os.getpid())
    assert not lab.workspace.holder.exists()


@POSIX
def test_a_killed_holder_holds_nobody_up(lab: State) -> None:
    with other_process(lab.workspace.folder) as process:
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert lab.workspace.holder.exists()
        with lab.locked("up"):
            assert json.loads(lab.workspace.holder.read_text())["pid"] == os.getpid()


def test_the_lock_is_let_go_whatever_happens(lab: State) -> None:
    with pytest.raises(ZeroDivisionError), lab.locked("up"):
        raise ZeroDivisionError
    with lab.locked("up"):
        pass


def test_two_labs_do_not_wait_for_each_other(lab: State, tmp_path: Path) -> None:
    other = State(Workspace(tmp_path / "b", None, tmp_path / "b" / ".labctl"))
    with lab.locked("up"), other.locked("up"):
        pass


def test_a_holder_without_details(lab: State) -> None:
    with other_process(lab.workspace.folder):
        for text in ("", "{", '{"pid": 7}'):
            lab.workspace.holder.write_text(text)
            with pytest.raises(LabLocked, match="in use by"), lab.locked("up"):
                pass


@pytest.mark.parametrize("error", [KeyError("uid"), OSError("no name"), ImportError("pwd")])
def test_a_user_without_a_name(
    lab: State, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def nameless() -> str:
        raise error

    monkeypatch.setattr("getpass.getuser", nameless)
    with lab.locked("up"):
        assert json.loads(lab.workspace.holder.read_text())["user"] == "somebody"


@pytest.mark.parametrize("error", [PermissionError(13, "Permission denied"), NotImplementedError()])
def test_a_lock_that_cannot_be_had(
    lab: State, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def acquire(*_: Any, **__: Any) -> None:
        raise error

    monkeypatch.setattr("filelock.FileLock.acquire", acquire)
    with pytest.raises(StateError, match="cannot be locked") as caught, lab.locked("up"):
        pass
    assert caught.value.hint
    assert not isinstance(caught.value, LabLocked)
