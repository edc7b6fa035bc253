"""Certificates and passwords: created once, recreated only for a reason, and kept private."""

from __future__ import annotations

import datetime
import ssl
import threading
from pathlib import Path

import bcrypt
import pytest

from labctl.errors import StateError, UsageError
from labctl.provision import certificates, secret_store
from labctl.provision.certificates import Issued
from labctl.provision.proxies import proxy_settings
from labctl.provision.secret_store import Credential, SecretStore
from tests.unit.fakes import lab_spec

NAMES, ADDRESSES = ["docker-node1"], ["192.168.56.11"]


@pytest.fixture
def kept(tmp_path: Path) -> SecretStore:
    return SecretStore(tmp_path / "private", "lab")


def later(monkeypatch: pytest.MonkeyPatch, days: int) -> None:
    now = datetime.datetime.now(datetime.UTC) + datetime.timedelta(days=days)
    monkeypatch.setattr(secret_store, "_now", lambda: now)


def again(kept: SecretStore) -> SecretStore:
    """The same secrets in another process."""
    return SecretStore(kept.folder, "lab")


def both(kept: SecretStore) -> tuple[Issued, Credential]:
    return kept.certificate("registry", NAMES), kept.credential("registry", "student")


def handshake(server: Issued, authority: str, host: str, folder: Path) -> str:
    """Let a TLS client that knows `authority` meet the server; return what it complains of."""
    pem = folder / "server.pem"
    pem.write_text(server.pem)
    ours = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ours.load_cert_chain(pem)
    theirs = ssl.create_default_context(cadata=authority)
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = theirs.wrap_bio(to_client, to_server, server_hostname=host)
    there = ours.wrap_bio(to_server, to_client, server_side=True)
    for _ in range(4):
        for end in (client, there):
            try:
                end.do_handshake()
            except ssl.SSLWantReadError:
                continue
            except ssl.SSLCertVerificationError as error:
                return error.verify_message
            except ssl.SSLError as error:
                return str(error.reason)
    return ""


@pytest.mark.parametrize("host", [*NAMES, *ADDRESSES])
def test_who_knows_the_authority_believes_the_name_and_the_address(
    kept: SecretStore, tmp_path: Path, host: str
) -> None:
    server = kept.certificate("registry", NAMES, ADDRESSES)
    assert handshake(server, kept.authority().certificate, host, tmp_path) == ""


def test_nobody_else_does(kept: SecretStore, tmp_path: Path) -> None:
    server = kept.certificate("registry", NAMES, ADDRESSES)
    other = SecretStore(tmp_path / "other", "lab").authority().certificate
    assert "issuer" in handshake(server, other, NAMES[0], tmp_path)
    own = kept.authority().certificate
    assert "mismatch" in handshake(server, own, "docker-node2", tmp_path).lower()


def test_all_stays_as_it_is(kept: SecretStore) -> None:
    made = kept.certificate("registry", NAMES, ADDRESSES), kept.credential("registry", "anna")
    other = again(kept)
    assert (
        other.certificate("registry", NAMES, ADDRESSES),
        other.credential("registry", "anna"),
    ) == made


@pytest.mark.parametrize(("days", "stays"), [(300, True), (340, False), (500, False)])
def test_a_certificate_is_renewed_before_it_ends(
    kept: SecretStore, monkeypatch: pytest.MonkeyPatch, days: int, stays: bool
) -> None:
    old, authority = kept.certificate("registry", NAMES, ADDRESSES), kept.authority()
    later(monkeypatch, days)
    new = again(kept).certificate("registry", NAMES, ADDRESSES)
    assert (new == old) is stays
    assert again(kept).authority() == authority
    now = datetime.datetime.now(datetime.UTC) + datetime.timedelta(days=days)
    assert certificates.lasts(new, now)


def test_a_new_authority_signs_everything_again(
    kept: SecretStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = kept.certificate("registry", NAMES), kept.authority()
    later(monkeypatch, 3400)
    other = again(kept)
    new = other.certificate("registry", NAMES), other.authority()
    assert new[0] != old[0]
    assert new[1] != old[1]
    assert certificates.fits(new[0], new[1], NAMES, [])


@pytest.mark.parametrize(
    ("names", "addresses"),
    [(["docker-node2"], ADDRESSES), (NAMES, ["192.168.56.12"]), (NAMES, [])],
)
def test_another_name_or_address_is_another_certificate(
    kept: SecretStore, names: list[str], addresses: list[str]
) -> None:
    old = kept.certificate("registry", NAMES, ADDRESSES)
    assert kept.certificate("registry", names, addresses) != old


DAMAGES = ["", "-----BEGIN CERTIFICATE-----\nxx", "nonsense", "\x00" * 100, "[" * 100_000, b"\xff"]


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("name", ["ca.pem", "registry.pem", "registry.json"])
def test_a_damaged_secret_is_an_error_and_stays(
    kept: SecretStore, name: str, damage: str | bytes
) -> None:
    kept.certificate("registry", NAMES)
    kept.credential("registry", "student")
    files = {path.name: path.read_bytes() for path in kept.folder.iterdir()}
    data = damage if isinstance(damage, bytes) else damage.encode()
    (kept.folder / name).write_bytes(data)
    for _ in range(2):
        other = again(kept)
        with pytest.raises(StateError, match=name) as caught:
            both(other)
        assert "rename it" in caught.value.hint
    found = {path.name: path.read_bytes() for path in kept.folder.iterdir()}
    assert found == files | {name: data}
    # The way on: rename it, and a new one is made.
    (kept.folder / name).rename(kept.folder / "aside")
    other = again(kept)
    assert certificates.fits(other.certificate("registry", NAMES), other.authority(), NAMES, [])
    assert other.credential("registry", "student").password


@pytest.mark.parametrize(
    "value",
    [
        "[]",
        "null",
        '{"user": 1, "password": "a", "hash": "b"}',
        '{"user": "a"}',
        '{"user": "a", "password": "b", "hash": "c", "colour": "d"}',
    ],
)
def test_a_password_of_another_shape_is_damaged(kept: SecretStore, value: str) -> None:
    kept.folder.mkdir()
    (kept.folder / "registry.json").write_text(value)
    with pytest.raises(StateError, match=r"registry\.json cannot be used"):
        kept.known("registry")


def test_a_key_of_another_certificate_is_damaged(kept: SecretStore, tmp_path: Path) -> None:
    mine = kept.authority()
    other = SecretStore(tmp_path / "other", "lab").authority()
    (kept.folder / "ca.pem").write_text(mine.key + other.certificate)
    with pytest.raises(StateError, match="do not match"):
        again(kept).authority()


@pytest.mark.parametrize(("days", "why"), [(-5, "not valid yet"), (4000, "has expired")])
def test_a_clock_that_jumps_makes_no_new_authority(
    kept: SecretStore, monkeypatch: pytest.MonkeyPatch, days: int, why: str
) -> None:
    made = kept.certificate("registry", NAMES), kept.authority()
    later(monkeypatch, days)
    with pytest.raises(StateError, match=why) as caught:
        again(kept).certificate("registry", NAMES)
    assert "clock" in caught.value.hint
    later(monkeypatch, 0)
    other = again(kept)
    assert (other.certificate("registry", NAMES), other.authority()) == made


def test_what_is_replaced_is_kept(kept: SecretStore, monkeypatch: pytest.MonkeyPatch) -> None:
    old = kept.authority()
    kept.credential("registry", "student", "first-password")
    kept.credential("registry", "student", "second-password")
    later(monkeypatch, 3400)
    assert again(kept).authority() != old
    assert (kept.folder / "ca.pem.old").read_text() == old.pem
    assert "first-password" in (kept.folder / "registry.json.old").read_text()


def test_a_read_only_store_writes_nothing(kept: SecretStore, tmp_path: Path) -> None:
    def never() -> None:
        pytest.fail("the state folder was made")

    looking = SecretStore(tmp_path / "nothing" / "private", "lab", never, read_only=True)
    made = looking.certificate("registry", NAMES), looking.credential("registry", "student")
    assert made == (
        looking.certificate("registry", NAMES),
        looking.credential("registry", "student"),
    )
    assert not (tmp_path / "nothing").exists()
    there = kept.credential("registry", "student")
    looking = SecretStore(kept.folder, "lab", never, read_only=True)
    assert looking.credential("registry", "student") == there
    assert looking.credential("registry", "student", "another").password == "another"
    assert again(kept).credential("registry", "student") == there


def test_a_password_is_made_once_and_its_hash_stays(kept: SecretStore) -> None:
    made = kept.credential("registry", "student")
    assert bcrypt.checkpw(made.password.encode(), made.hash.encode())
    assert made.htpasswd == f"student:{made.hash}\n"
    assert len(made.password) >= 12
    other = SecretStore(kept.folder.parent / "other", "lab").credential("registry", "student")
    assert other.password != made.password


def test_a_password_of_ones_own_takes_the_place(kept: SecretStore) -> None:
    made = kept.credential("registry", "student")
    own = kept.credential("registry", "student", "chosen-by-me")
    assert bcrypt.checkpw(b"chosen-by-me", own.hash.encode())
    assert own.hash != made.hash
    assert again(kept).credential("registry", "student", "chosen-by-me") == own
    # And is kept when lab.yaml no longer sets it.
    assert again(kept).credential("registry", "anna").password == "chosen-by-me"


def test_looking_makes_nothing(kept: SecretStore) -> None:
    assert kept.known("registry") is None
    assert not kept.folder.exists()


def test_all_of_it_is_for_its_owner_alone(kept: SecretStore) -> None:
    kept.certificate("registry", NAMES)
    kept.credential("registry", "student")
    assert kept.folder.stat().st_mode & 0o777 == 0o700
    for path in kept.folder.iterdir():
        assert path.stat().st_mode & 0o077 == 0, path


def test_many_threads_make_one(kept: SecretStore) -> None:
    found: list[object] = []

    def make() -> None:
        own = again(kept)
        found.append((own.certificate("registry", NAMES), own.credential("registry", "student")))

    threads = [threading.Thread(target=make) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 6
    assert all(one == found[0] for one in found)


def test_a_password_of_somebody_elses_service_is_kept(kept: SecretStore) -> None:
    """It may be longer than the 72 bytes that bcrypt takes: nothing is hashed."""
    kept.keep_password("proxy-http", "anna", "p" * 100, "proxy:3128")
    path = kept.folder / "proxy-http.json"
    assert path.stat().st_mode & 0o777 == 0o600
    assert again(kept).known("proxy-http") == Credential("anna", "p" * 100, "", "proxy:3128")
    before = path.stat().st_mtime_ns
    again(kept).keep_password("proxy-http", "anna", "p" * 100, "proxy:3128")
    assert path.stat().st_mtime_ns == before
    again(kept).keep_password("proxy-http", "anna", "other", "proxy:3128")
    known = again(kept).known("proxy-http")
    assert known is not None
    assert known.password == "other"


def test_a_proxys_password_may_leave_lab_yaml(kept: SecretStore) -> None:
    proxy = "http://{}@proxy:3128"
    with pytest.raises(UsageError, match="no password of anna is known") as caught:
        proxy_settings(lab_spec(proxy=proxy.format("anna")), kept)
    assert "http://anna:PASSWORD@proxy:3128" in caught.value.hint
    given = proxy_settings(lab_spec(proxy=proxy.format("anna:s%40fe")), kept)
    assert proxy_settings(lab_spec(proxy=proxy.format("anna")), again(kept)) == given
    for other in (proxy.format("otto"), "http://anna@other:3128"):
        with pytest.raises(UsageError):
            proxy_settings(lab_spec(proxy=other), again(kept))
    assert proxy_settings(lab_spec(), kept) is None


def test_a_dry_run_keeps_no_password(tmp_path: Path) -> None:
    dry = SecretStore(tmp_path / "private", "lab", read_only=True)
    found = proxy_settings(lab_spec(proxy="http://anna:s@proxy:3128"), dry)
    assert found is not None
    assert not (tmp_path / "private").exists()
