"""The user's own known_hosts: which keys it has for a host, as OpenSSH reads it."""

from __future__ import annotations

import base64
import subprocess
from pathlib import Path

import pytest

from labctl.remote.known_hosts import Key, fingerprint, kind_name, lookup


def key(number: int, kind: str = "ssh-ed25519") -> Key:
    """Return a host key; paramiko is not asked whether it is a good one."""
    data = len(kind).to_bytes(4) + kind.encode() + (32).to_bytes(4) + bytes([number]) * 32
    return kind, base64.b64encode(data).decode()


def line(hosts: str, number: int, marker: str = "", kind: str = "ssh-ed25519") -> str:
    name, data = key(number, kind)
    return f"{marker} {hosts} {name} {data} a comment".strip()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "known_hosts"


PATTERNS = {
    "pc1": ("pc1", 22),
    "PC1,other": ("pc1", 22),
    "pc1.example": ("PC1.example", 22),
    "10.0.0.*": ("10.0.0.7", 22),
    "10.0.0.?": ("10.0.0.7", 22),
    "*": ("anything", 22),
    "*.example,!pc2.example": ("pc1.example", 22),
    "[pc1]:2222": ("pc1", 2222),
    "[10.0.0.*]:2222": ("10.0.0.7", 2222),
    "[*]:2222": ("pc1", 2222),
    "fe80::1": ("fe80::1", 22),
    "[fe80::1]:2222": ("fe80::1", 2222),
}


@pytest.mark.parametrize("pattern", PATTERNS)
def test_a_line_names_a_host(file: Path, pattern: str) -> None:
    file.write_text(line(pattern, 1) + "\n")
    host, port = PATTERNS[pattern]
    found = lookup(host, port, [file])
    assert (found.accepted, found.file) == ((key(1),), file)
    assert found.knows(key(1))
    assert not found.knows(key(2))


@pytest.mark.parametrize(
    ("hosts", "host", "port"),
    [
        ("pc1", "pc10", 22),
        ("pc1", "xpc1", 22),
        ("pc?", "pc10", 22),
        ("10.0.0.1", "10x0x0x1", 22),
        ("*.example,!pc2.example", "pc2.example", 22),
        ("!pc2.example,*.example", "pc2.example", 22),
        ("!pc1", "pc2", 22),
        ("[pc1]:2222", "pc1", 22),
        ("[pc1]:2222", "pc1", 2223),
        ("[pc1]:22", "pc1", 22),
        ("p[cd]1", "pc1", 22),
        ("|1|", "pc1", 22),
        ("|1|AAAA|AAAA", "pc1", 22),
        ("|1|***|***", "pc1", 22),
    ],
)
def test_a_line_names_another_host(file: Path, hosts: str, host: str, port: int) -> None:
    file.write_text(line(hosts, 1) + "\n")
    assert not lookup(host, port, [file]).accepted


def test_a_key_of_the_usual_port_is_no_mismatch_on_another(file: Path) -> None:
    file.write_text(line("pc1", 1) + "\n" + line("[pc2]:2222", 2) + "\n")
    found = lookup("pc1", 2222, [file])
    assert (found.accepted, found.without_port) == ((), (key(1),))
    assert found.knows(key(1))
    assert lookup("pc2", 22, [file]).accepted == ()


def test_markers(file: Path) -> None:
    lines = [
        line("*.example", 1, "@cert-authority"),
        line("pc1.example", 2),
        line("pc*", 3, "@revoked"),
        line("pc1.example", 3),
        line("pc1.example", 4, "@unknown"),
    ]
    file.write_text("\n".join(lines) + "\n")
    found = lookup("pc1.example", 22, [file])
    assert found.accepted == (key(2), key(3))
    assert found.revoked == {key(3)}
    assert found.knows(key(2))
    assert not found.knows(key(1))  # an authority is no host
    assert not found.knows(key(3))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "# pc1 ssh-ed25519 AAAA",
        "pc1",
        "pc1 ssh-ed25519",
        "pc1 ssh-ed25519 ????",
        "pc1 ssh-ed25519 AAAA",
        f"pc1 ssh-rsa {key(1)[1]}",
        "@revoked",
        "@revoked pc1",
        "\x00\xff",
        "x" * 100_000,
    ],
)
def test_lines_that_say_nothing(file: Path, text: str) -> None:
    file.write_text(text + "\n" + line("pc1", 1) + "\n", "latin-1")
    assert lookup("pc1", 22, [file]).accepted == (key(1),)


def test_files_that_cannot_be_read(tmp_path: Path, file: Path) -> None:
    file.write_text(line("pc1", 1))
    files = [tmp_path / "none", tmp_path, file]
    assert lookup("pc1", 22, files).accepted == (key(1),)


def test_many_wildcards_take_no_time(file: Path) -> None:
    file.write_text(line("*?" * 500 + "x", 1) + "\n" + line("*a" * 12 + "b", 2) + "\n")
    assert lookup("a" * 250, 22, [file]).accepted == ()


def test_several_keys_of_a_host(file: Path) -> None:
    file.write_text("\n".join([line("pc1", 1), line("pc1,pc2", 2), line("pc1", 1)]))
    assert lookup("pc1", 22, [file]).accepted == (key(1), key(2))


@pytest.mark.needs("ssh-keygen")
@pytest.mark.parametrize(("host", "port"), [("pc1", 22), ("pc1", 2222), ("10.0.0.7", 22)])
def test_hashed_names(file: Path, host: str, port: int) -> None:
    name = host if port == 22 else f"[{host}]:{port}"
    file.write_text(line(name, 1) + "\n" + line("other", 2) + "\n")
    subprocess.run(["ssh-keygen", "-q", "-H", "-f", str(file)], check=True, capture_output=True)
    assert host not in file.read_text()
    found = lookup(host, port, [file])
    assert found.accepted == (key(1),)
    assert lookup("pc2", 22, [file]).accepted == ()


@pytest.mark.needs("ssh-keygen")
def test_ssh_keygen_finds_the_same_lines(file: Path) -> None:
    hosts = [*PATTERNS, "!pc1", "p[cd]1", "pc1,!pc1", "**", "p*1", "?c1", "*.example,!*.example"]
    file.write_text("".join(line(pattern, n) + "\n" for n, pattern in enumerate(hosts)))
    for host in ("pc1", "pc2.example", "pc1.example", "10.0.0.7", "[pc1]:2222", "[x]:2222"):
        command = ["ssh-keygen", "-F", host, "-f", str(file)]
        said = subprocess.run(command, check=False, capture_output=True, text=True).stdout
        theirs = {row.split()[2] for row in said.splitlines() if not row.startswith("#")}
        name, _, port = host.strip("[").partition("]:")
        ours = lookup(name, int(port or 22), [file]).accepted
        assert {data for _, data in ours} == theirs, host


@pytest.mark.needs("ssh-keygen")
@pytest.mark.parametrize(
    ("kind", "name"), [("ed25519", "ED25519"), ("ecdsa", "ECDSA"), ("rsa", "RSA")]
)
def test_fingerprints_are_those_of_openssh(tmp_path: Path, kind: str, name: str) -> None:
    path = tmp_path / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", kind, "-N", "", "-f", str(path)], check=True)
    said = subprocess.run(
        ["ssh-keygen", "-lf", f"{path}.pub"], check=True, capture_output=True, text=True
    ).stdout
    public = (tmp_path / "key.pub").read_text().split()
    assert f" {fingerprint(public[1])} " in said
    assert f"({name})" in said
    assert kind_name(public[0]) == name
