"""Connections through proxy commands: what arrives, what is said, and that no process stays."""

from __future__ import annotations

import contextlib
import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from labctl.errors import AuthFailed, ConnectFailed, HostKeyChanged, LabctlError, ProtocolError
from labctl.remote import transport
from labctl.remote.connection import Connection
from labctl.remote.hostkeys import HostKeys
from labctl.remote.proxy_command import expanded
from labctl.remote.target import Target
from tests.integration.sshd import Sshd

FORWARD = """\
# Stands for netcat as some have it: it does not end when its stdin does.
import os, socket, sys, threading

there = socket.create_connection((sys.argv[1], int(sys.argv[2])))

def up():
    while data := os.read(0, 65536):
        there.sendall(data)

threading.Thread(target=up, daemon=True).start()
while data := there.recv(65536):
    os.write(1, data)
"""


@pytest.fixture
def forward(tmp_path: Path) -> str:
    """A proxy command in whose arguments this test's folder is."""
    (tmp_path / "forward.py").write_text(FORWARD)
    return shlex.join([sys.executable, "-S", str(tmp_path / "forward.py")]) + " %h %p"


def running(tmp_path: Path) -> list[psutil.Process]:
    """Return the processes of this test's proxy commands, with those that nobody waited for."""
    mine = psutil.Process().children(recursive=True)
    found = [one for one in mine if one.status() == psutil.STATUS_ZOMBIE]
    for one in psutil.process_iter(["cmdline"]):
        words = one.info["cmdline"] or []
        if any(str(tmp_path) in word for word in words) and one.pid != os.getpid():
            found.append(one)
    return found


def pipes() -> set[str]:
    """Return this process's open pipes and sockets; it may open a log at any time."""
    found = set()
    for file in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):
            found.add(str(file.readlink()))
    return {name for name in found if name.startswith(("pipe:", "socket:"))}


@pytest.fixture(autouse=True)
def nothing_left(tmp_path: Path) -> Iterator[None]:
    """No test leaves a proxy command, nor a process that one started."""
    before = pipes()
    yield
    deadline = time.monotonic() + 15
    while left := running(tmp_path):
        assert time.monotonic() < deadline, left
        time.sleep(0.05)
    while left_open := pipes() - before:
        assert time.monotonic() < deadline, left_open
        time.sleep(0.05)


def ssh_jump(sshd: Sshd, tmp_path: Path) -> str:
    """Return what most people have as a proxy command."""
    options = (
        f"-F none -i {sshd.key} -o StrictHostKeyChecking=no -o UserKnownHostsFile={tmp_path}/k"
    )
    return f"ssh {options} -p {sshd.ports[1]} -W %h:%p 127.0.0.1"


@pytest.mark.parametrize(
    "form", ["{}", "sh -c {quoted}", "{} 2>/dev/null", "ssh", "python3 -c {noisy}; {}"]
)
def test_a_node_behind_a_proxy_command(
    sshd: Sshd, tmp_path: Path, hostkeys: HostKeys, forward: str, form: str
) -> None:
    noisy = shlex.quote("import sys; sys.stderr.write('x' * 1000000)")
    if form == "ssh":
        command = ssh_jump(sshd, tmp_path)
    else:
        # A shell that stays between, as one with two commands does.
        command = form.format(forward, quoted=shlex.quote(f"{forward}; exit 3"), noisy=noisy)
    target = replace(sshd.target(), proxy=f"true && {command}" if ";" in command else command)
    with Connection(target, hostkeys) as connection:
        assert connection.call("echo here") == (0, b"here\n", b"")
        data = os.urandom(2_000_000)
        assert connection.call("cat", data) == (0, data, b"")
        assert len(running(tmp_path)) >= 1
        connection.transport.close()
        assert connection.call("echo again") == (0, b"again\n", b"")


def test_its_tokens_are_those_of_openssh(sshd: Sshd) -> None:
    target = Target("pc1", "10.0.0.1", 2222, "anna", proxy="nc %h %p; %r@%n 100%% %x %")
    assert expanded(target) == "nc 10.0.0.1 2222; anna@pc1 100% %x %"


@pytest.mark.parametrize(
    "host", ["x; touch ran", "$(touch ran)", "a`touch ran`", "a|b", "'; ran; '"]
)
def test_no_value_is_run_by_the_shell(host: str) -> None:
    line = expanded(Target("pc1", host, 22, host, proxy="printf '%%s|' %h %r"))
    assert line == f"printf '%s|' {shlex.quote(host)} {shlex.quote(host)}"
    done = subprocess.run(line, shell=True, capture_output=True, text=True, check=True)
    assert done.stdout == f"{host}|{host}|"


@pytest.mark.parametrize(
    ("command", "why"),
    [
        ("echo 'no route to the gate' >&2; exit 7", "no route to the gate"),
        ("exit 7", "exit code 7"),
        ("/no/such/program %h", "not found"),
        ("head -c 1000000 /dev/zero >&2; echo at last >&2; false", "at last"),
        ("exec >&-; sleep 0.3; echo late >&2", "late"),
        ("kill -9 $$", "exit code -9"),
    ],
)
def test_a_command_that_ends_at_once(
    sshd: Sshd, hostkeys: HostKeys, tmp_path: Path, command: str, why: str
) -> None:
    target = replace(sshd.target(), proxy=f"true {tmp_path}; {command}")
    began = time.monotonic()
    with pytest.raises(ConnectFailed, match="does not answer") as caught:
        Connection(target, hostkeys).call("true")
    assert "proxy command" in caught.value.hint
    assert why in caught.value.hint
    assert time.monotonic() - began < 5


@pytest.mark.parametrize(
    "command",
    [
        "sleep 300",
        "sleep 300; : {folder}",
        "trap '' TERM HUP; sleep 300; : {folder}",
        "sh -c 'sleep 300 & sleep 300; : {folder}'",
        "yes {folder}",
        "cat {folder}/none /dev/zero",
    ],
)
def test_a_command_that_does_not_lead_to_an_sshd(
    sshd: Sshd, hostkeys: HostKeys, tmp_path: Path, command: str
) -> None:
    target = replace(sshd.target(), proxy=command.format(folder=tmp_path).replace("300", "301.5"))
    began = time.monotonic()
    with pytest.raises(ConnectFailed, match="does not answer"):
        Connection(target, hostkeys, timeout=1.0).call("true")
    assert time.monotonic() - began < 8
    sleeping = [one.info["cmdline"] or [] for one in psutil.process_iter(["cmdline"])]
    assert not [words for words in sleeping if "301.5" in words]


def test_nothing_listens_behind_it(
    sshd: Sshd, hostkeys: HostKeys, tmp_path: Path, forward: str
) -> None:
    for command in (forward, ssh_jump(sshd, tmp_path)):
        target = replace(sshd.target(), port=9, proxy=command)
        with pytest.raises(ConnectFailed) as caught:
            Connection(target, hostkeys).call("true")
        assert "refused" in caught.value.hint


def test_a_refused_login_and_another_host_key(
    sshd: Sshd, hostkeys: HostKeys, tmp_path: Path, forward: str
) -> None:
    sshd.make_key("stranger")
    target = replace(sshd.target(), proxy=forward, keys=(str(sshd.folder / "stranger"),))
    with pytest.raises(AuthFailed):
        Connection(target, hostkeys).call("true")
    other = "AAAAC3NzaC1lZDI1NTE5AAAAIMyXK1TG2Xf3qmqf7PSHqPzJ1c0Kc0kT0bq8i0r5o3yF"
    hostkeys.forget(target.name)
    hostkeys.record(target.name, "ssh-ed25519", other)
    with pytest.raises(HostKeyChanged):
        Connection(replace(sshd.target(), proxy=forward), hostkeys).call("true")


def test_a_command_that_dies_during_the_work(
    sshd: Sshd, hostkeys: HostKeys, tmp_path: Path, forward: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transport, "KEEPALIVE", 60.0)  # it is found without
    with Connection(replace(sshd.target(), proxy=forward), hostkeys) as connection:
        connection.call("true")
        process = running(tmp_path)[-1]

        def kill(data: bytes) -> None:
            process.kill()

        began = time.monotonic()
        with pytest.raises(ProtocolError):
            connection.stream("echo begun; sleep 20", kill, print)
        assert time.monotonic() - began < 10
        assert connection.call("echo again") == (0, b"again\n", b"")


def test_given_up_from_another_thread(
    sshd: Sshd, hostkeys: HostKeys, tmp_path: Path, forward: str
) -> None:
    """As the limit of `labctl status` does, and Ctrl-C while other nodes are worked on."""
    connection = Connection(replace(sshd.target(), proxy=forward), hostkeys)
    with pytest.raises(LabctlError), connection.limited(1.0):
        connection.call("sleep 20")


LABCTL = "from labctl.cli.main import main; main()"


@pytest.mark.parametrize(
    "end",
    [
        lambda process: process.send_signal(signal.SIGINT),
        lambda process: os.killpg(process.pid, signal.SIGINT),
        lambda process: process.terminate(),
    ],
    ids=["interrupt", "Ctrl-C on a terminal", "terminate"],
)
@pytest.mark.parametrize("command", ["exec", "status", "nothing answers"])
def test_an_end_from_outside(
    sshd: Sshd,
    tmp_path: Path,
    forward: str,
    command: str,
    end: Callable[[subprocess.Popen[bytes]], None],
) -> None:
    """Of a whole labctl, whose machine has its proxy command from the user's ssh configuration."""
    home = tmp_path / "home"
    (home / ".ssh").mkdir(parents=True)
    proxy = forward if command == "exec" else f"sh -c 'sleep 300; : {tmp_path}'"
    (home / ".ssh" / "config").write_text(
        f"Host gated\n HostName 127.0.0.1\n Port {sshd.ports[0]}\n IdentityFile {sshd.key}\n"
        f" ProxyCommand {proxy}\n"
    )
    (tmp_path / "lab.yaml").write_text("machines: [{name: pc1, host: gated, user: root}]\n")
    words = ["status"] if command == "status" else ["exec", "sleep 20"]
    environment = {**os.environ, "HOME": str(home)}
    process = subprocess.Popen(
        [sys.executable, "-c", LABCTL, *words],
        cwd=tmp_path,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        process_group=0,
    )
    deadline = time.monotonic() + 20
    while not running(tmp_path):
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.05)
    time.sleep(1)
    end(process)
    assert process.wait(10) == 130
