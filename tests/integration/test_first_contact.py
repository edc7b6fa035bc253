"""The first contact with machines that existed before labctl, beside the user's own known_hosts."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from labctl.errors import HostKeyChanged
from labctl.remote.connection import Connection
from labctl.remote.hostkeys import HostKeys
from labctl.remote.target import Target
from tests.integration.sshd import Sshd


@pytest.fixture(scope="module")
def several(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sshd]:
    """An sshd with host keys of three types."""
    folder = tmp_path_factory.mktemp("several")
    files = []
    for kind in ("rsa", "ecdsa"):
        files.append(folder / kind)
        command = ["ssh-keygen", "-q", "-t", kind, "-N", "", "-f", str(folder / kind)]
        subprocess.run(command, check=True)
    server = Sshd(folder, more=tuple(f"HostKey {file}" for file in files))
    server.start()
    yield server
    server.stop()


@pytest.fixture
def user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The user's own known_hosts."""
    (tmp_path / "home" / ".ssh").mkdir(parents=True)
    for name in ("HOME", "USERPROFILE"):
        monkeypatch.setenv(name, str(tmp_path / "home"))
    return tmp_path / "home" / ".ssh" / "known_hosts"


def public(server: Sshd, kind: str) -> str:
    words = (server.folder / f"{kind}.pub").read_text().split()
    return " ".join(words[:2])


class Contact:
    """Logs in, and keeps what the user was told."""

    def __init__(self, folder: Path, target: Target) -> None:
        self.told: list[str] = []
        self.keys = HostKeys(folder / "lab_hosts", lambda node, text: self.told.append(text))
        self.target = replace(target, existing=True)

    def __call__(self) -> tuple[int, bytes, bytes]:
        with Connection(self.target, self.keys) as connection:
            return connection.call("true")


@pytest.fixture
def contact(several: Sshd, tmp_path: Path) -> Contact:
    return Contact(tmp_path, several.target())


def test_the_fingerprint_is_shown_once(several: Sshd, contact: Contact, user: Path) -> None:
    contact()
    contact()
    (text,) = contact.told
    said = subprocess.run(
        ["ssh-keygen", "-lf", str(several.folder / "host.pub")],
        check=True,
        capture_output=True,
        text=True,
    ).stdout.split()
    assert said[1] in text
    assert "ED25519" in text
    recorded = contact.keys.get(contact.target.name)
    assert recorded is not None
    assert " ".join(recorded) == public(several, "host")
    assert not user.exists()


def test_a_machine_that_labctl_made_is_silent(contact: Contact, user: Path) -> None:
    user.write_text(f"[127.0.0.1]:{contact.target.port} ssh-ed25519 AAAA\n")
    contact.target = replace(contact.target, existing=False)
    contact()
    assert contact.told == []


@pytest.mark.parametrize("kind", ["host", "rsa", "ecdsa"])
@pytest.mark.parametrize("hashed", [False, True])
def test_a_key_that_the_user_knows_is_silent(
    several: Sshd, contact: Contact, user: Path, kind: str, hashed: bool
) -> None:
    """Whatever type it has: the host is asked for that one first."""
    user.write_text(f"[127.0.0.1]:{contact.target.port} {public(several, kind)}\n")
    if hashed:
        command = ["ssh-keygen", "-q", "-H", "-f", str(user)]
        subprocess.run(command, check=True, capture_output=True)
    contact()
    contact()
    assert contact.told == []
    recorded = contact.keys.get(contact.target.name)
    assert recorded is not None
    assert " ".join(recorded) == public(several, kind)


def test_another_key_is_refused(
    several: Sshd, contact: Contact, user: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(other)], check=True)
    words = other.with_suffix(".pub").read_text().split()
    user.write_text(f"[127.0.0.1]:{contact.target.port} {words[0]} {words[1]}\n")
    with pytest.raises(HostKeyChanged) as caught:
        contact()
    assert str(user) in caught.value.message
    assert caught.value.details.count("SHA256:") == 2
    assert f"ssh-keygen -R '[127.0.0.1]:{contact.target.port}'" in caught.value.hint
    assert contact.told == []
    assert contact.keys.get(contact.target.name) is None  # nothing was recorded


def test_a_revoked_key_is_refused(several: Sshd, contact: Contact, user: Path) -> None:
    user.write_text(f"@revoked * {public(several, 'host')}\n")
    with pytest.raises(HostKeyChanged, match="is revoked"):
        contact()
    assert contact.keys.get(contact.target.name) is None


def test_an_authority_is_no_host_key(several: Sshd, contact: Contact, user: Path) -> None:
    user.write_text(f"@cert-authority * {public(several, 'rsa')}\n")
    contact()
    assert len(contact.told) == 1


@pytest.mark.parametrize(("kind", "notices"), [("host", 0), ("other", 1)])
def test_a_key_without_a_port(
    several: Sshd, contact: Contact, user: Path, tmp_path: Path, kind: str, notices: int
) -> None:
    """It is a match, but no mismatch: other machines may be behind other ports."""
    text = public(several, "host")
    if kind == "other":
        other = tmp_path / "other"
        command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(other)]
        subprocess.run(command, check=True)
        text = other.with_suffix(".pub").read_text()
    user.write_text(f"127.0.0.1 {text}\n")
    contact()
    assert len(contact.told) == notices


def test_a_read_only_run_shows_and_records_nothing(
    several: Sshd, contact: Contact, user: Path, tmp_path: Path
) -> None:
    told: list[str] = []
    contact.keys = HostKeys(
        tmp_path / "none" / "hosts", lambda node, text: told.append(text), read_only=True
    )
    contact()
    contact()
    assert len(told) == 1
    assert not (tmp_path / "none").exists()
