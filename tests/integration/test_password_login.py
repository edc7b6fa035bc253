"""Logins with a password (`-k`), by a real sshd with accounts of its own."""

from __future__ import annotations

import getpass
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from labctl.errors import AuthFailed, HostKeyChanged
from labctl.remote.connection import Connection
from labctl.remote.hostkeys import HostKeys
from labctl.remote.install_key import install_key
from labctl.remote.passwords import NO_PASSWORDS, Passwords
from labctl.remote.target import Target
from tests.integration.accounts import Accounts
from tests.integration.sshd import Sshd
from tests.needs import require

pytestmark = pytest.mark.skipif(
    sys.platform != "linux" or os.geteuid() != 0, reason="needs root and mount namespaces"
)

SPECIAL = "pä ss'\"$HOME`id`\\ 密码%#!"
ANNA = Passwords(login="anna's own")
KEYS = "AuthorizedKeysFile .ssh/authorized_keys"
PLAIN = (KEYS, "PasswordAuthentication yes")
QUESTIONS = (
    *(KEYS, "UsePAM yes", "PasswordAuthentication no", "KbdInteractiveAuthentication yes"),
)
Serve = Callable[..., Sshd]


@pytest.fixture
def place() -> Iterator[Path]:
    """A folder that the accounts may enter, unlike pytest's."""
    folder = Path(tempfile.mkdtemp(prefix="accounts-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def serve(place: Path, tmp_path: Path) -> Iterator[Serve]:
    """Start an sshd with the accounts anna and ben."""
    require("sshd", "unshare", "openssl")
    servers: list[Sshd] = []

    def start(*more: str, expired: bool = False) -> Sshd:
        passwords = {"anna": str(ANNA.login), "ben": SPECIAL}
        accounts = Accounts(place, passwords, expired=expired)
        (tmp_path / "sshd").mkdir()
        server = Sshd(tmp_path / "sshd", more=more or PLAIN, inside=accounts.inside)
        server.start()
        servers.append(server)
        return server

    yield start
    for server in servers:
        server.stop()


def make_key(path: Path) -> str:
    """Make a key pair; return the public key without its comment."""
    command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "x", "-f", str(path)]
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL)
    return " ".join(path.with_name(f"{path.name}.pub").read_text().split()[:2])


def target(server: Sshd, user: str, *keys: Path) -> Target:
    return Target(user, "127.0.0.1", server.ports[0], user, tuple(map(str, keys)), existing=True)


def whoami(to: Target, hostkeys: HostKeys, passwords: Passwords) -> str:
    with Connection(to, hostkeys, passwords=passwords) as connection:
        return connection.call("id -un")[1].decode().strip()


def refusal(to: Target, hostkeys: HostKeys, passwords: Passwords = NO_PASSWORDS) -> AuthFailed:
    with pytest.raises(AuthFailed) as caught:
        whoami(to, hostkeys, passwords)
    assert caught.value.node == to.name
    return caught.value


def attempts(server: Sshd) -> int:
    """Return how many passwords the sshd got."""
    method = r"(Accepted|Failed) (password|keyboard-interactive)"
    return len(re.findall(rf"{method}|PAM: Authentication failure", server.log))


# -- the login


@pytest.mark.parametrize("more", [PLAIN, QUESTIONS])
def test_a_password_logs_in(
    serve: Serve, home: Path, hostkeys: HostKeys, more: tuple[str, ...]
) -> None:
    """By the method password, or by keyboard-interactive with PAM's single question."""
    server = serve(*more)
    assert whoami(target(server, "anna"), hostkeys, ANNA) == "anna"
    assert whoami(target(server, "ben"), hostkeys, Passwords(SPECIAL)) == "ben"
    assert attempts(server) == 2
    assert "Failed" not in server.log


def test_without_k_it_is_suggested(serve: Serve, home: Path, hostkeys: HostKeys) -> None:
    server = serve()
    assert "pass -k" in refusal(target(server, "anna"), hostkeys).hint
    make_key(home / "key")
    assert "pass -k" in refusal(target(server, "anna", home / "key"), hostkeys).hint
    assert attempts(server) == 0


def test_a_host_that_accepts_the_key_gets_no_password(
    serve: Serve, place: Path, home: Path, hostkeys: HostKeys
) -> None:
    server = serve()
    (place / "anna" / ".ssh").mkdir()
    public = make_key(home / ".ssh" / "id_ed25519")
    (place / "anna/.ssh/authorized_keys").write_text(public + "\n")
    assert whoami(target(server, "anna"), hostkeys, ANNA) == "anna"
    assert attempts(server) == 0


def test_refused_keys_do_not_use_up_the_attempts(
    serve: Serve, home: Path, hostkeys: HostKeys
) -> None:
    """sshd ends a connection after MaxAuthTries; the password has a connection of its own."""
    server = serve(*PLAIN, "MaxAuthTries 1")
    make_key(home / ".ssh" / "id_ed25519")
    assert whoami(target(server, "anna"), hostkeys, ANNA) == "anna"


@pytest.mark.parametrize("more", [PLAIN, QUESTIONS])
def test_a_wrong_password_is_sent_once(
    serve: Serve, home: Path, hostkeys: HostKeys, more: tuple[str, ...]
) -> None:
    server = serve(*more)
    error = refusal(target(server, "anna"), hostkeys, Passwords("wrong"))
    assert error.message == f"anna@127.0.0.1:{server.ports[0]} refused the password"
    assert "--limit anna" in error.hint
    assert attempts(server) == 1


def test_a_second_question_gets_no_password(serve: Serve, home: Path, hostkeys: HostKeys) -> None:
    """It may be for a code, or for a new password. The first one was answered, and rightly."""
    server = serve(*QUESTIONS, expired=True)
    error = refusal(target(server, "anna"), hostkeys, ANNA)
    assert error.message == f"anna@127.0.0.1:{server.ports[0]} asks for more than a password"
    assert "Password:" in error.details


def test_a_host_without_passwords(serve: Serve, home: Path, hostkeys: HostKeys) -> None:
    server = serve("PasswordAuthentication no", "KbdInteractiveAuthentication no")
    error = refusal(target(server, "anna"), hostkeys, ANNA)
    assert error.message.endswith("accepts no password, only publickey")


def test_a_password_after_a_key(serve: Serve, place: Path, home: Path, hostkeys: HostKeys) -> None:
    server = serve(*PLAIN, "AuthenticationMethods publickey,password")
    public = make_key(home / ".ssh" / "id_ed25519")
    (place / "anna" / ".ssh").mkdir()
    (place / "anna/.ssh/authorized_keys").write_text(public + "\n")
    assert "password after the key" in refusal(target(server, "anna"), hostkeys).details
    error = refusal(target(server, "anna"), hostkeys, Passwords("wrong"))
    assert "refused the password" in error.message
    assert attempts(server) == 1
    assert whoami(target(server, "anna"), hostkeys, ANNA) == "anna"


def test_a_host_with_another_key_gets_no_password(
    serve: Serve, home: Path, tmp_path: Path, hostkeys: HostKeys
) -> None:
    """Neither one that the user knows by another key, nor one whose key changed."""
    server = serve()
    other = make_key(tmp_path / "other")
    known = home / ".ssh" / "known_hosts"
    known.write_text(f"[127.0.0.1]:{server.ports[0]} {other}\n")
    with pytest.raises(HostKeyChanged):
        whoami(target(server, "anna"), hostkeys, ANNA)
    known.unlink()
    hostkeys.record("anna", *other.split())
    with pytest.raises(HostKeyChanged):
        whoami(target(server, "anna"), hostkeys, ANNA)
    assert attempts(server) == 0


def test_the_fingerprint_is_shown_before_the_password_is_sent(
    serve: Serve, home: Path, tmp_path: Path
) -> None:
    server = serve()
    sent: list[int] = []
    keys = HostKeys(tmp_path / "known_hosts", lambda node, text: sent.append(attempts(server)))
    assert whoami(target(server, "anna"), keys, ANNA) == "anna"
    assert sent == [0]


# -- jump hosts


def test_through_a_jump_host(serve: Serve, sshd: Sshd, home: Path, hostkeys: HostKeys) -> None:
    """The jump host accepts a key, the machine behind it the password."""
    server = serve()
    shutil.copy(sshd.key, home / ".ssh" / "id_ed25519")
    kind, key = (sshd.folder / "host.pub").read_text().split()[:2]
    (home / ".ssh/known_hosts").write_text(f"[127.0.0.1]:{sshd.ports[1]} {kind} {key}\n")
    to = target(server, "anna")
    jump = f"{getpass.getuser()}@127.0.0.1:{sshd.ports[1]}"
    behind = Target(to.name, to.host, to.port, to.user, jump=jump, existing=True)
    assert whoami(behind, hostkeys, ANNA) == "anna"


def test_a_jump_host_gets_no_password(
    serve: Serve, sshd: Sshd, home: Path, hostkeys: HostKeys
) -> None:
    server = serve()
    kind, key = (server.folder / "host.pub").read_text().split()[:2]
    (home / ".ssh/known_hosts").write_text(f"[127.0.0.1]:{server.ports[1]} {kind} {key}\n")
    to = Target("n", "127.0.0.1", sshd.ports[0], "anna", jump=f"anna@127.0.0.1:{server.ports[1]}")
    error = refusal(to, hostkeys, ANNA)
    assert "jump host anna@127.0.0.1" in error.message
    assert "no password to a jump host" in error.hint
    assert attempts(server) == 0


# -- keys


@pytest.mark.parametrize("how", ["usual", "named"])
def test_a_key_is_installed_once(
    serve: Serve, place: Path, home: Path, hostkeys: HostKeys, how: str
) -> None:
    """It is added to those that are there; the last line may lack its end."""
    server = serve()
    path = home / ".ssh" / "id_ed25519" if how == "usual" else home / "classroom"
    public = make_key(path)
    to = target(server, "anna", *([] if how == "usual" else [path]))
    there = place / "anna" / ".ssh"
    there.mkdir(mode=0o700)
    (there / "authorized_keys").write_text("ssh-rsa AAAA ben")
    for file in (there, there / "authorized_keys"):
        os.chown(file, 61000, 61000)
    assert install_key(to, hostkeys, ANNA).startswith("SHA256:")
    assert (there / "authorized_keys").read_text() == f"ssh-rsa AAAA ben\n{public} labctl\n"
    assert whoami(to, hostkeys, Passwords()) == "anna"
    assert install_key(to, hostkeys, Passwords()) == ""
    assert len((there / "authorized_keys").read_text().splitlines()) == 2


def test_a_key_makes_its_folder(serve: Serve, place: Path, home: Path, hostkeys: HostKeys) -> None:
    server = serve(KEYS, "PasswordAuthentication yes", "StrictModes yes")
    make_key(home / ".ssh" / "id_ed25519")
    install_key(target(server, "ben"), hostkeys, Passwords(SPECIAL))
    folder = place / "ben" / ".ssh"
    assert folder.stat().st_mode & 0o777 == 0o700
    assert (folder / "authorized_keys").stat().st_mode & 0o777 == 0o600
    assert whoami(target(server, "ben"), hostkeys, Passwords()) == "ben"


def test_no_key_to_install(serve: Serve, home: Path, hostkeys: HostKeys) -> None:
    server = serve()
    with pytest.raises(AuthFailed) as caught:
        install_key(target(server, "anna"), hostkeys, ANNA)
    assert "ssh-keygen -t ed25519" in caught.value.hint
    assert attempts(server) == 0


def test_a_key_that_the_host_refuses_afterwards(
    serve: Serve, home: Path, hostkeys: HostKeys
) -> None:
    server = serve("PubkeyAuthentication no", *PLAIN)
    make_key(home / ".ssh" / "id_ed25519")
    with pytest.raises(AuthFailed) as caught:
        install_key(target(server, "anna"), hostkeys, ANNA)
    assert "the login with it is refused" in caught.value.message
    assert "PubkeyAuthentication" in caught.value.hint


# -- the command line


class Cli:
    """labctl as a user without a terminal runs it, in a lab of two accounts of one sshd."""

    def __init__(self, folder: Path, home: Path, server: Sshd) -> None:
        self.folder = folder
        self._home = home
        folder.mkdir()
        machines = [
            {"name": name, "host": "127.0.0.1", "port": port, "user": name}
            for name, port in zip(("anna", "ben"), server.ports, strict=False)
        ]
        (folder / "lab.yaml").write_text(json.dumps({"machines": machines, "playbooks": []}))

    def __call__(self, *arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "labctl.cli.main", *arguments],
            cwd=self.folder,
            env={**os.environ, "LABCTL_HOME": str(self._home / "labctl"), "COLUMNS": "200"},
            input=stdin,
            capture_output=True,
            text=True,
            check=False,
            start_new_session=True,
        )

    def written(self) -> str:
        """Return all that labctl wrote to this computer."""
        files = [file for root in (self.folder, self._home) for file in root.rglob("*")]
        return "".join(file.read_text("utf-8", "replace") for file in files if file.is_file())


def test_one_question_for_all_hosts(serve: Serve, home: Path, tmp_path: Path) -> None:
    """Hosts with another password are told apart; the password is written nowhere."""
    server = serve()
    labctl = Cli(tmp_path / "lab", home, server)
    ran = labctl("exec", "-k", "--", "id -un", stdin=f"{ANNA.login}\n")
    assert ran.returncode == 1
    assert ran.stdout == "anna | anna\n"
    refused = [line for line in ran.stderr.splitlines() if "refused the password" in line]
    assert len(refused) == 1
    assert refused[0].startswith("error: ben: ")
    assert "--limit ben" in ran.stderr
    assert attempts(server) == 2
    ran = labctl("exec", "-k", "--limit", "ben", "--", "id -un", stdin=f"{SPECIAL}\n")
    assert (ran.returncode, ran.stdout) == (0, "ben | ben\n")
    for password in (str(ANNA.login), SPECIAL):
        assert password not in labctl.written()


def test_nothing_to_read_the_password_from(serve: Serve, home: Path, tmp_path: Path) -> None:
    server = serve()
    labctl = Cli(tmp_path / "lab", home, server)
    ran = labctl("exec", "-k", "--", "true")
    assert ran.returncode == 2
    assert "entering the ssh password for anna (anna@127.0.0.1:" in ran.stderr
    assert "ben (ben@127.0.0.1:" in ran.stderr
    assert "Accepted" not in server.log
    assert "Failed" not in server.log


def test_labctl_ssh_leaves_the_question_to_openssh(
    serve: Serve, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """OpenSSH asks a program here, because there is no terminal."""
    server = serve()
    program = tmp_path / "askpass"
    program.write_text(f"#!/bin/sh\nprintf '%s\\n' \"{ANNA.login}\"\n")
    program.chmod(0o755)
    monkeypatch.setenv("SSH_ASKPASS", str(program))
    monkeypatch.setenv("SSH_ASKPASS_REQUIRE", "force")
    labctl = Cli(tmp_path / "lab", home, server)
    ran = labctl("ssh", "anna", "--", "id -un")
    assert (ran.returncode, ran.stdout) == (0, "anna\n"), ran.stderr


def test_up_installs_the_key(serve: Serve, home: Path, place: Path, tmp_path: Path) -> None:
    """Later commands need no password. The account has no sudo, so `up` goes no further."""
    server = serve()
    public = make_key(home / ".ssh" / "id_ed25519")
    labctl = Cli(tmp_path / "lab", home, server)
    ran = labctl("up", "--install-key", "--limit", "anna", stdin=f"{ANNA.login}\n")
    assert "installed your key SHA256:" in ran.stdout + ran.stderr
    assert public in (place / "anna/.ssh/authorized_keys").read_text()
    ran = labctl("exec", "--limit", "anna", "--", "id -un")
    assert (ran.returncode, ran.stdout) == (0, "anna | anna\n")
    assert str(ANNA.login) not in labctl.written()
