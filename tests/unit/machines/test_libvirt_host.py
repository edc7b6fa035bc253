"""A libvirt host: one bounded command at a time, and its states asked once for many labs.

`virsh` and `ssh` are scripts that say what the real ones do; tests/e2e/test_class.py has real ones.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from labctl.errors import MachineError, UsageError
from labctl.machines.libvirt_host import LOCAL, LibvirtHost

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="scripts of the POSIX shell")

Program = Callable[[str, str], None]


@pytest.fixture
def program(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Program:
    """Put a script on PATH."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder), prepend=os.pathsep)

    def write(name: str, text: str) -> None:
        (folder / name).write_text(f"#!/bin/sh\n{text}\n")
        (folder / name).chmod(0o755)

    return write


def host(tmp_path: Path, uri: str = "qemu+ssh://lab@hv1.room/system", key: str = "") -> LibvirtHost:
    return LibvirtHost("hv1", uri, tmp_path / "hosts/hv1", key)


def test_a_failed_command_says_why_and_how_to_go_on(program: Program, tmp_path: Path) -> None:
    program("virsh", "echo 'error: cannot connect' >&2; echo 'error: Connection reset' >&2; exit 1")
    with pytest.raises(MachineError) as caught:
        host(tmp_path).virsh(["list"])
    assert caught.value.message == "host hv1: cannot connect; Connection reset"
    assert "ssh lab@hv1.room" in caught.value.hint
    assert "--without hv1" in caught.value.hint


def test_a_host_that_hangs_is_given_up(program: Program, tmp_path: Path) -> None:
    program("virsh", "exec sleep 60")
    began = time.monotonic()
    with pytest.raises(MachineError, match="no answer within 0 s"):
        host(tmp_path).virsh(["list"], timeout=0.3)
    assert time.monotonic() - began < 10


def test_a_process_that_keeps_the_output_open_holds_nobody_up(
    program: Program, tmp_path: Path
) -> None:
    # As an ssh does that serves further connections.
    program("virsh", "sleep 60 & echo out")
    began = time.monotonic()
    assert host(tmp_path).virsh(["list"]) == "out\n"
    assert time.monotonic() - began < 10


def test_ctrl_c_ends_what_runs(program: Program, tmp_path: Path) -> None:
    program("virsh", "exec sleep 60")
    one = host(tmp_path)
    threading.Timer(0.5, one.interrupt).start()
    began = time.monotonic()
    with pytest.raises(MachineError):
        one.virsh(["list"])
    assert time.monotonic() - began < 10


def test_several_questions_share_a_connection(program: Program, tmp_path: Path) -> None:
    log = tmp_path / "calls"
    mark = "==labctl=="
    program("virsh", f"echo \"$*\" >>{log}; printf ' a\\n b\\n{mark}{mark}c\\n{mark}'")
    assert host(tmp_path).ask("x", "y", "z") == [" a\n b\n", "", "c\n"]
    (call,) = log.read_text().splitlines()
    assert call.endswith(f"x; echo {mark}; y; echo {mark}; z; echo {mark}")


def test_states_are_asked_once_for_labs_that_ask_together(program: Program, tmp_path: Path) -> None:
    log = tmp_path / "calls"
    program(
        "virsh",
        f"echo x >>{log}; echo ' 1    lab-anna-node1   running'; echo ' -    lab-bo-n   shut off'",
    )
    one = host(tmp_path)
    threads = [threading.Thread(target=one.states) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert one.states() == {"lab-anna-node1": "running", "lab-bo-n": "shut off"}
    assert len(log.read_text().splitlines()) == 1
    one.forget_states()
    one.states()
    assert len(log.read_text().splitlines()) == 2


def test_a_silent_host_is_waited_for_once(program: Program, tmp_path: Path) -> None:
    log = tmp_path / "calls"
    program("virsh", f"echo x >>{log}; echo 'error: timed out' >&2; exit 1")
    one = host(tmp_path)
    for _ in range(5):
        with pytest.raises(MachineError, match="host hv1: timed out"):
            one.states()
    assert len(log.read_text().splitlines()) == 1


def test_the_script_runs_ssh_with_limits(program: Program, tmp_path: Path) -> None:
    program("virsh", "exit 0")
    program("ssh", 'pwd; for word; do echo "$word"; done')
    one = host(tmp_path, "qemu+ssh://lab@hv1.room:2222/system", key="/home/a b/it's")
    one.make()
    words = one.run("grep x").splitlines()
    assert words[0] == str(tmp_path / "hosts/hv1")  # so the socket's path is short
    assert {"BatchMode=yes", "ConnectTimeout=5", "ServerAliveInterval=5"} <= {*words}
    assert {"User=lab", "Port=2222", "IdentityFile=/home/a b/it's"} <= {*words}
    assert words[-2:] == ["hv1.room", "grep x"]
    assert (tmp_path / "hosts/hv1/ssh").stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize(("answer", "emulated"), [("echo 0", True), ("echo 8", False)])
def test_the_processor_of_the_host_counts(
    program: Program, tmp_path: Path, answer: str, emulated: bool
) -> None:
    program("virsh", "exit 0")
    program("ssh", answer)
    one = host(tmp_path)
    one.make()
    assert one.connect() is emulated


def test_this_computer_is_a_host_too(program: Program, tmp_path: Path) -> None:
    program("virsh", 'echo "$*"')
    one = host(tmp_path, LOCAL)
    one.make()
    assert one.virsh(["list"]) == "--quiet --connect qemu:///system list\n"
    assert one.proxy == ""
    assert not (tmp_path / "hosts").exists()


def test_a_missing_program_is_an_error(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UsageError, match="virsh is not installed"):
        host(tmp_path).make()
    monkeypatch.setattr("sys.platform", "win32")
    with pytest.raises(UsageError, match="Linux and macOS"):
        host(tmp_path).make()
