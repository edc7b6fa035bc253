"""Connections that do not come about, by a real sshd: what is said of it, and what is left."""

from __future__ import annotations

import errno
import getpass
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import paramiko
import pytest

from labctl.errors import (
    AuthFailed,
    ConnectFailed,
    HostKeyChanged,
    Interrupted,
    RemoteError,
    StateError,
)
from labctl.lab.lab import Lab
from labctl.lab.workspace import Workspace
from labctl.remote.connect import connect
from labctl.remote.connection import Connection
from labctl.remote.hostkeys import HostKeys
from labctl.remote.target import Target
from tests.integration.sshd import Sshd


def connections() -> set[threading.Thread]:
    """Return paramiko's threads, of which each open connection has one."""
    return {found for found in threading.enumerate() if isinstance(found, paramiko.Transport)}


@pytest.fixture(autouse=True)
def nothing_left() -> Iterator[None]:
    """No test leaves a connection open."""
    before = connections()
    yield
    deadline = time.monotonic() + 10
    while connections() - before:
        assert time.monotonic() < deadline, connections() - before
        time.sleep(0.05)


def make_key(path: Path, kind: str) -> None:
    # With a comment: of ECDSA keys without one paramiko cannot read those that need no padding.
    command = ["ssh-keygen", "-q", "-t", kind, "-N", "", "-C", "x", "-f", str(path)]
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL)


def refusal(target: Target, hostkeys: HostKeys) -> AuthFailed:
    """Return why a login fails, which is found out at once, with patience too."""
    began = time.monotonic()
    with pytest.raises(AuthFailed) as caught:
        Connection(target, hostkeys, patience=30).call("true")
    assert time.monotonic() - began < 15
    assert caught.value.node == target.name
    return caught.value


# -- logins that fail


def test_there_is_no_key_at_all(sshd: Sshd, home: Path, hostkeys: HostKeys) -> None:
    error = refusal(replace(sshd.target(), keys=()), hostkeys)
    assert "refused the login" in error.message
    assert "ssh-agent" in error.hint


@pytest.mark.parametrize("name", ["none", "~none/key"])
def test_the_file_of_a_key_is_not_there(
    sshd: Sshd, tmp_path: Path, hostkeys: HostKeys, name: str
) -> None:
    path = name if name[0] == "~" else str(tmp_path / name)
    error = refusal(replace(sshd.target(), keys=(path,)), hostkeys)
    assert error.message == f"the key {path} cannot be read: No such file or directory"
    assert "key:" in error.hint


@pytest.mark.parametrize("kind", ["rsa", "ecdsa", "ed25519"])
def test_a_key_of_any_kind_that_is_refused(
    sshd: Sshd, tmp_path: Path, hostkeys: HostKeys, kind: str
) -> None:
    make_key(tmp_path / "key", kind)
    error = refusal(replace(sshd.target(), keys=(str(tmp_path / "key"),)), hostkeys)
    assert "refused the login" in error.message
    assert str(tmp_path / "key") in error.hint
    assert error.details in ("", "Authentication failed.")  # nothing about other kinds of keys


def agent(folder: Path, monkeypatch: pytest.MonkeyPatch, *keys: Path) -> subprocess.Popen[bytes]:
    """Start a real ssh-agent that holds keys; the caller ends it."""
    place = folder / "agent"
    process = subprocess.Popen(["ssh-agent", "-D", "-a", str(place)], stdout=subprocess.DEVNULL)
    monkeypatch.setenv("SSH_AUTH_SOCK", str(place))
    # The socket is there before the agent listens; 2 says that no agent answers.
    while subprocess.run(["ssh-add", "-l"], capture_output=True, check=False).returncode == 2:
        assert process.poll() is None
        time.sleep(0.01)
    for key in keys:
        # The agent takes what ssh-add reads; a passphrase would be asked for on a terminal.
        subprocess.run(["ssh-add", "-q", str(key)], check=True, stdin=subprocess.DEVNULL)
    return process


@pytest.mark.parametrize("form", ["openssh", "PEM", "PKCS8"])
def test_a_key_with_a_passphrase(
    sshd: Sshd,
    tmp_path: Path,
    home: Path,
    hostkeys: HostKeys,
    monkeypatch: pytest.MonkeyPatch,
    form: str,
) -> None:
    """The agent's copy is offered; without one, the error is about the passphrase."""
    plain, locked = sshd.folder / "rsa", tmp_path / "locked"
    if not plain.exists():
        make_key(plain, "rsa")
    for suffix in ("", ".pub"):
        shutil.copy(f"{plain}{suffix}", f"{locked}{suffix}")
    change = ["ssh-keygen", "-q", "-p", "-P", "", "-N", "secret", "-f", str(locked)]
    more = [] if form == "openssh" else ["-m", form]
    subprocess.run([*change, *more], check=True, stdin=subprocess.DEVNULL)
    target = replace(sshd.target(), keys=(str(locked),))
    error = refusal(target, hostkeys)
    assert error.message == f"the key {locked} needs its passphrase"
    assert f"`ssh-add {locked}`" in error.hint

    allowed = sshd.folder / "user.pub"
    before = allowed.read_text()
    allowed.write_text(before + Path(f"{plain}.pub").read_text())
    make_key(tmp_path / "other", "ed25519")
    running = agent(tmp_path, monkeypatch, tmp_path / "other", plain)
    try:
        with Connection(target, hostkeys) as connection:
            assert connection.call("echo in")[1] == b"in\n"
    finally:
        running.terminate()
        running.wait()
        allowed.write_text(before)


def test_a_public_key_and_putty_s_are_named_as_what_they_are(
    sshd: Sshd, tmp_path: Path, hostkeys: HostKeys
) -> None:
    make_key(tmp_path / "key", "ed25519")
    error = refusal(replace(sshd.target(), keys=(str(tmp_path / "key.pub"),)), hostkeys)
    assert "is a public key" in error.message
    assert error.hint.endswith(str(tmp_path / "key"))
    (tmp_path / "key.ppk").write_text("PuTTY-User-Key-File-2: ssh-rsa\n")
    error = refusal(replace(sshd.target(), keys=(str(tmp_path / "key.ppk"),)), hostkeys)
    assert "is a key of PuTTY" in error.message
    assert "PuTTYgen" in error.hint


def test_what_was_offered_is_listed(
    sshd: Sshd, tmp_path: Path, home: Path, hostkeys: HostKeys, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = replace(sshd.target(), keys=())
    assert "your ssh-agent holds no key" in refusal(target, hostkeys).hint
    make_key(home / ".ssh" / "id_ed25519", "ed25519")
    make_key(tmp_path / "other", "ecdsa")
    running = agent(tmp_path, monkeypatch, tmp_path / "other")
    try:
        hint = refusal(target, hostkeys).hint
    finally:
        running.terminate()
        running.wait()
    assert "~/.ssh/id_ed25519" in hint
    assert "the agent's ecdsa-sha2-nistp256" in hint


def test_a_node_that_takes_passwords_only(
    tmp_path_factory: pytest.TempPathFactory, home: Path, hostkeys: HostKeys
) -> None:
    server = Sshd(
        tmp_path_factory.mktemp("passwords"),
        more=("PubkeyAuthentication no", "PasswordAuthentication yes"),
    )
    server.start()
    try:
        hint = refusal(server.target(), hostkeys).hint
    finally:
        server.stop()
    assert "only password" in hint
    assert "pass -k" in hint


def test_a_file_that_is_no_key(sshd: Sshd, tmp_path: Path, hostkeys: HostKeys) -> None:
    (tmp_path / "key").write_text("no key\n")
    error = refusal(replace(sshd.target(), keys=(str(tmp_path / "key"),)), hostkeys)
    assert "not a valid" in error.details


def test_so_many_wrong_keys_that_the_node_ends_the_connection(
    tmp_path_factory: pytest.TempPathFactory, home: Path, hostkeys: HostKeys
) -> None:
    server = Sshd(tmp_path_factory.mktemp("strict"), more=("MaxAuthTries 1",))
    server.start()
    for kind in ("rsa", "ed25519"):
        make_key(home / ".ssh" / f"id_{kind}", kind)
    try:
        assert "refused the login" in refusal(replace(server.target(), keys=()), hostkeys).message
    finally:
        server.stop()


def test_a_host_key_that_cannot_be_recorded(
    sshd: Sshd, hostkeys: HostKeys, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(StateError, match="known_hosts cannot be written: No space"):
        Connection(sshd.target(), hostkeys, patience=30).call("true")


def test_another_host_key_leaves_no_connection(sshd: Sshd, hostkeys: HostKeys) -> None:
    other = "AAAAC3NzaC1lZDI1NTE5AAAAIMyXK1TG2Xf3qmqf7PSHqPzJ1c0Kc0kT0bq8i0r5o3yF"
    hostkeys.record("docker-node1", "ssh-ed25519", other)
    with pytest.raises(HostKeyChanged):
        Connection(sshd.target(), hostkeys).call("true")


def test_a_silent_node_is_not_a_refusing_one(hostkeys: HostKeys) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        target = Target("a", "127.0.0.1", silent.getsockname()[1], "x", ("/none",))
        with pytest.raises(ConnectFailed, match="does not answer"):
            Connection(target, hostkeys, timeout=0.5).call("true")


# -- jump hosts


@pytest.fixture
def jump(sshd: Sshd, home: Path) -> str:
    """A jump host that the user has logged in to before."""
    port = sshd.ports[1]
    shutil.copy(sshd.key, home / ".ssh" / "id_ed25519")
    kind, key = (sshd.folder / "host.pub").read_text().split()[:2]
    (home / ".ssh" / "known_hosts").write_text(f"[127.0.0.1]:{port} {kind} {key}\n")
    return f"{getpass.getuser()}@127.0.0.1:{port}"


def test_through_a_jump_host(sshd: Sshd, jump: str, hostkeys: HostKeys) -> None:
    before = connections()
    with Connection(replace(sshd.target(), jump=jump), hostkeys) as connection:
        assert connection.call("echo here") == (0, b"here\n", b"")
        opened = connections() - before
        assert len(opened) == 2
        # As for a node: a big file hangs if keys are exchanged again.
        assert {transport.packetizer.REKEY_BYTES for transport in opened} == {1 << 36}  # type: ignore[attr-defined]
        connection.transport.close()
        assert connection.call("echo again") == (0, b"again\n", b"")
    deadline = time.monotonic() + 10
    while connections() - before:
        assert time.monotonic() < deadline
        time.sleep(0.05)


def through(jump: str, target: Target, hostkeys: HostKeys, **more: Any) -> RemoteError:
    """Return why the node is not reached."""
    with pytest.raises(RemoteError) as caught:
        Connection(replace(target, jump=jump), hostkeys, **more).call("true")
    assert caught.value.node == target.name
    assert str(hostkeys.path) not in caught.value.hint
    return caught.value


def test_a_jump_host_that_is_not_known(
    sshd: Sshd, jump: str, home: Path, hostkeys: HostKeys
) -> None:
    (home / ".ssh" / "known_hosts").unlink()
    error = through(jump, sshd.target(), hostkeys, patience=30)
    assert error.message == f"the host key of the jump host {jump} is unknown"
    assert f"log in to {jump} once" in error.hint


def test_a_jump_host_whose_key_changed(
    sshd: Sshd, jump: str, home: Path, hostkeys: HostKeys
) -> None:
    known = home / ".ssh" / "known_hosts"
    make_key(home / "other", "ed25519")
    place = known.read_text().split()[0]
    known.write_text(f"{place} {(home / 'other.pub').read_text()}\n")
    error = through(jump, sshd.target(), hostkeys, patience=30)
    assert not isinstance(error, HostKeyChanged)
    assert f"the jump host {jump} changed" in error.message
    assert f"ssh-keygen -R {place}" in error.hint
    assert "SHA256" in error.details


def test_a_jump_host_that_refuses_the_login(
    sshd: Sshd, jump: str, home: Path, hostkeys: HostKeys
) -> None:
    (home / ".ssh" / "id_ed25519").unlink()
    error = through(jump, sshd.target(), hostkeys, patience=30)
    assert isinstance(error, AuthFailed)
    assert error.message == f"the jump host {jump} refused the login"


def test_a_jump_host_that_does_not_answer(sshd: Sshd, home: Path, hostkeys: HostKeys) -> None:
    error = through("127.0.0.1:9", sshd.target(), hostkeys)
    assert isinstance(error, ConnectFailed)
    assert error.message == "the jump host 127.0.0.1:9 does not answer"


def test_a_jump_host_whose_name_does_not_resolve(
    sshd: Sshd, home: Path, hostkeys: HostKeys, monkeypatch: pytest.MonkeyPatch
) -> None:
    def nobody(*_: object) -> None:
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", nobody)
    error = through("me@door", sshd.target(), hostkeys)
    assert isinstance(error, ConnectFailed)
    assert error.hint == "the name door does not resolve here"


def test_a_node_behind_a_jump_host_that_does_not_answer(
    sshd: Sshd, jump: str, hostkeys: HostKeys
) -> None:
    error = through(jump, replace(sshd.target(), port=9), hostkeys)
    assert isinstance(error, ConnectFailed)
    assert error.message == "127.0.0.1:9 does not answer"


@pytest.mark.skipif(sys.platform != "linux", reason="how many may wait is each system's own matter")
def test_a_node_behind_a_jump_host_that_is_silent(
    sshd: Sshd, jump: str, hostkeys: HostKeys
) -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=0) as full:
        waiting = [socket.socket() for _ in range(4)]
        for one in waiting:
            one.setblocking(False)
            one.connect_ex(full.getsockname())
        began = time.monotonic()
        target = replace(sshd.target(), port=full.getsockname()[1])
        error = through(jump, target, hostkeys, timeout=2.0)
        assert time.monotonic() - began < 15
        assert isinstance(error, ConnectFailed)
        for one in waiting:
            one.close()


# -- the end for good


@pytest.fixture
def connection(sshd: Sshd, hostkeys: HostKeys) -> Iterator[Connection]:
    with Connection(sshd.target(), hostkeys) as found:
        yield found


USES: list[Callable[[Connection], object]] = [
    lambda connection: connection.call("true"),
    lambda connection: connection.root.run("true"),
    lambda connection: connection.transport,
]


@pytest.mark.parametrize("use", USES)
def test_nothing_is_begun_after_the_end(
    connection: Connection, use: Callable[[Connection], object]
) -> None:
    connection.root.run("true")
    connection.end()
    for _ in range(2):
        with pytest.raises(Interrupted) as caught:
            use(connection)
        assert caught.value.node == "docker-node1"


def test_what_is_under_way_breaks_off(connection: Connection) -> None:
    connection.call("true")
    threading.Timer(0.3, connection.end).start()
    began = time.monotonic()
    with pytest.raises((RemoteError, Interrupted)):
        connection.root.run("sleep 20")
    assert time.monotonic() - began < 10
    with pytest.raises(Interrupted):
        connection.root.run("true")


def test_who_waits_for_a_node_is_not_kept(sshd: Sshd, hostkeys: HostKeys) -> None:
    connection = Connection(replace(sshd.target(), port=9), hostkeys, patience=60)
    threading.Timer(0.5, connection.end).start()
    began = time.monotonic()
    with pytest.raises(Interrupted):
        connection.call("true")
    assert time.monotonic() - began < 10


def test_a_connection_that_comes_about_meanwhile_is_ended(
    connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    def slowly(*arguments: Any) -> Any:
        found = connect(*arguments)
        connection.end()
        return found

    monkeypatch.setattr("labctl.remote.connection.connect", slowly)
    before = connections()
    with pytest.raises(Interrupted):
        connection.call("true")
    deadline = time.monotonic() + 10
    while connections() - before:
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.mark.needs("ssh")
def test_aliases_of_the_users_configuration(
    sshd: Sshd, jump: str, home: Path, tmp_path: Path
) -> None:
    """Names with underscores that only ~/.ssh/config knows, of the machine and its jump host."""
    (home / ".ssh" / "config").write_text(
        f"Host pc_1\n  HostName 127.0.0.1\n  Port {sshd.ports[0]}\n  User {getpass.getuser()}\n"
        f"  IdentityFile {sshd.key}\n  ProxyJump gate_1\n"
        f"Host gate_1\n  HostName 127.0.0.1\n  Port {sshd.ports[1]}\n  User {getpass.getuser()}\n"
    )
    (home / ".ssh" / "config").chmod(0o600)
    folder = tmp_path / "aliases"
    folder.mkdir()
    (folder / "lab.yaml").write_text("machines: [{name: pc1, host: pc_1}]\n")
    lab = Lab.open(Workspace.find(str(folder)), {}, emit=lambda event: None)
    lab.workspace.make()
    before = connections()
    with lab.connection("pc1") as connection:
        assert connection.call("echo in")[1] == b"in\n"
        assert len(connections() - before) == 2  # one of them to the jump host


def test_ctrl_c_ends_the_connections_of_a_lab(lab_folder: Path) -> None:
    lab = Lab.open(Workspace.find(str(lab_folder)), {}, emit=lambda event: None)
    lab.workspace.make()
    with lab.connection("docker-node1") as connection:
        connection.call("true")
        lab.stop.request()
        with pytest.raises(Interrupted):
            connection.call("true")
