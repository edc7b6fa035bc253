"""The user's own known_hosts files, read as OpenSSH reads them.

labctl only reads them: at the first contact with a machine that existed before labctl, and for jump
hosts. paramiko's reader does not know patterns, ports and the markers @revoked and @cert-authority.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import hashlib
import hmac
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

Key = tuple[str, str]
"""Type and base64 of a host key, as a line of known_hosts has them."""


@dataclass(frozen=True, slots=True)
class KnownKeys:
    """The keys of a host.

    Parameters:
        accepted: its keys; none: the user never accepted one for this host.
        without_port: keys of the same host on the usual port. They are accepted too, but another
            key there is not a mismatch, because it may be another machine behind the same address.
        revoked: keys that are never accepted for it.
        file: the file with the first accepted key.
    """

    accepted: tuple[Key, ...] = ()
    without_port: tuple[Key, ...] = ()
    revoked: frozenset[Key] = frozenset()
    file: Path | None = None

    @property
    def kinds(self) -> list[str]:
        """Types of the keys that the host should offer."""
        return [kind for kind, _ in self.accepted or self.without_port]

    def knows(self, key: Key) -> bool:
        """Return whether the user accepted this key before, and did not revoke it."""
        return key in (*self.accepted, *self.without_port) and key not in self.revoked


def user_files() -> list[Path]:
    """Return the files that OpenSSH reads by default, the user's own first."""
    own = Path.home() / ".ssh"
    shared = Path("/etc/ssh")
    if os.name == "nt":
        shared = Path(os.environ.get("PROGRAMDATA", "C:/ProgramData")) / "ssh"
    names = ("known_hosts", "known_hosts2")
    return [own / name for name in names] + [shared / f"ssh_{name}" for name in names]


def lookup(host: str, port: int, files: Iterable[Path] | None = None) -> KnownKeys:
    """Return the keys of a host.

    A host with a port of its own is ``[host]:port`` in these files.

    Parameters:
        host: its name or address, as the user wrote it.
        port: its port.
        files: the files to read; a missing or unreadable one has no lines.
    """
    files = user_files() if files is None else files
    lines = [(file, *line) for file in files for line in _lines(file)]
    name = host.lower()
    if port == 22:
        return _of(name, lines)
    found, usual = _of(f"[{name}]:{port}", lines), _of(name, lines)
    return replace(found, without_port=usual.accepted, revoked=found.revoked | usual.revoked)


def fingerprint(key: str) -> str:
    """Return the SHA256 fingerprint of a base64 key, as OpenSSH shows it."""
    digest = hashlib.sha256(base64.b64decode(key)).digest()
    return "SHA256:" + base64.b64encode(digest).decode().rstrip("=")


def kind_name(kind: str) -> str:
    """Return the short name of a key's type, as OpenSSH shows it: ED25519, ECDSA or RSA."""
    return {"ssh-rsa": "RSA", "ssh-dss": "DSA"}.get(
        kind, kind.removeprefix("ssh-").split("-")[0]
    ).upper()


def _of(name: str, lines: Iterable[tuple[Path, str, str, Key]]) -> KnownKeys:
    matching = [(file, marker, key) for file, marker, hosts, key in lines if _names(hosts, name)]
    accepted = [(file, key) for file, marker, key in matching if not marker]
    return KnownKeys(
        tuple(dict.fromkeys(key for _, key in accepted)),
        revoked=frozenset(key for _, marker, key in matching if marker == "@revoked"),
        file=accepted[0][0] if accepted else None,
    )


def _lines(file: Path) -> Iterator[tuple[str, str, Key]]:
    """Yield (marker, host patterns, key) of the lines with a key."""
    text = ""
    with contextlib.suppress(OSError):
        if file.is_file():
            text = file.read_text("utf-8", "replace")
    for line in text.splitlines():
        fields = line.split()
        marker = fields.pop(0) if fields and fields[0].startswith("@") else ""
        if len(fields) >= 3 and not fields[0].startswith("#") and _is_key(fields[1], fields[2]):
            yield marker, fields[0], (fields[1], fields[2])


def _is_key(kind: str, key: str) -> bool:
    """Return whether `key` is base64 of a key of this type, which also stands within it."""
    try:
        data = base64.b64decode(key, validate=True)
    except (binascii.Error, ValueError):
        return False
    return data[4 : 4 + int.from_bytes(data[:4])] == kind.encode()


def _names(hosts: str, name: str) -> bool:
    """Return whether the first field of a line names a host; a negated pattern excludes it."""
    if hosts.startswith("|1|"):
        _, _, salt, digest = [*hosts.split("|"), "", ""][:4]
        with contextlib.suppress(binascii.Error, ValueError):
            made = hmac.new(base64.b64decode(salt), name.encode(), "sha1").digest()
            return hmac.compare_digest(made, base64.b64decode(digest))
        return False
    found = False
    for pattern in hosts.lower().split(","):
        if _fits(pattern.removeprefix("!"), name):
            if pattern.startswith("!"):
                return False
            found = True
    return found


def _fits(pattern: str, name: str) -> bool:
    """Return whether a pattern with * and ? fits; brackets stand for themselves.

    A regular expression would take exponential time for many asterisks.
    """
    reached = {0}  # how much of the name the pattern may have used up so far
    for sign in pattern:
        if sign == "*":
            reached = set(range(min(reached), len(name) + 1))
        else:
            reached = {at + 1 for at in reached if at < len(name) and sign in ("?", name[at])}
        if not reached:
            return False
    return len(name) in reached
