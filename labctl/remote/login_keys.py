"""The key files of a login: which are no private keys, and which the ssh-agent must sign for.

paramiko reports a file that needs a passphrase, or that holds no key, as a login that the node
refused. A file that is missing is left to paramiko, whose error names it.
"""

from __future__ import annotations

import base64
import contextlib
import os
import re
import shlex
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import paramiko

from labctl.errors import AuthFailed
from labctl.messages import msg
from labctl.remote.known_hosts import fingerprint

_MAGIC = b"openssh-key-v1\0"
_MOST = 64 * 1024
"""Bytes of a file that are read; a key has a few thousand."""


@dataclass(frozen=True, slots=True)
class LoginKeys:
    """What to offer to a node.

    Parameters:
        files: private key files that can be read without a passphrase.
        agent: the agent's copy of a file that has one; None: there is no such file.
    """

    files: tuple[str, ...]
    agent: Any = None


@contextlib.contextmanager
def choose(node: str, names: Sequence[str]) -> Iterator[LoginKeys]:
    """Yield what to offer for the key files that a target names; the agent signs until the end.

    Parameters:
        node: the node's name, for errors.
        names: paths; ~ is the user's home.

    Raises:
        AuthFailed: a file holds another kind of key, or has a passphrase and the ssh-agent does
            not hold it.
    """
    files: list[str] = []
    copy: Any = None
    with contextlib.ExitStack() as held:
        for name in names:
            # Path.expanduser raises if there is no such user.
            path = os.path.expanduser(name)  # noqa: PTH111
            try:
                text = Path(path).read_bytes()[:_MOST]
            except OSError:
                files.append(path)
                continue
            _require_private(node, name, text)
            if not _has_passphrase(text):
                files.append(path)
                continue
            public = _public(path, text)
            agent = held.enter_context(_agent())
            copy = copy or next((key for key in agent if key.asbytes() == public), None)
            if copy is None:
                raise AuthFailed(
                    msg("the key {file} needs its passphrase", file=name),
                    node=node,
                    hint=msg(
                        "load it into your ssh-agent with `ssh-add {file}`, then try again",
                        file=name if name.startswith("~") else shlex.quote(name),
                    ),
                )
        yield LoginKeys(tuple(files), copy)


@contextlib.contextmanager
def _agent() -> Iterator[tuple[Any, ...]]:
    """Yield the keys of the user's ssh-agent; none if there is no agent."""
    agent = None
    try:
        agent = paramiko.Agent()
        keys = agent.get_keys()
    except (paramiko.SSHException, OSError):
        keys = ()
    try:
        yield keys
    finally:
        if agent is not None:
            agent.close()


def _require_private(node: str, name: str, text: bytes) -> None:
    """Check that a file is not a key of another kind.

    Raises:
        AuthFailed: it is.
    """
    if text.startswith(b"PuTTY-User-Key-File"):
        raise AuthFailed(
            msg("{file} is a key of PuTTY, which OpenSSH and labctl cannot read", file=name),
            node=node,
            hint="open it in PuTTYgen, choose Conversions > Export OpenSSH key, and name that file",
        )
    if re.match(rb"(ssh-|ecdsa-|sk-)[a-z0-9@.-]+ [A-Za-z0-9+/]|---- BEGIN SSH2 PUBLIC KEY", text):
        private = name.removesuffix(".pub")
        raise AuthFailed(
            msg("{file} is a public key; a login needs the private one", file=name),
            node=node,
            hint=msg("set 'key:' to {file}", file=private)
            if private != name
            else msg("set 'key:' to the file without .pub that was made with it"),
        )


def _has_passphrase(text: bytes) -> bool:
    if b"-----BEGIN OPENSSH PRIVATE KEY-----" in text:
        parts = _openssh(text)
        return bool(parts) and parts[0] != b"none"
    head = text.partition(b"\n\n")[0]
    return b"BEGIN ENCRYPTED PRIVATE KEY" in head or b"Proc-Type: 4,ENCRYPTED" in head


def _openssh(text: bytes) -> list[bytes]:
    """Return cipher and public key of OpenSSH's format, which are never encrypted; else nothing."""
    body = b"".join(line for line in text.splitlines() if not line.startswith(b"-----"))
    try:
        data = base64.b64decode(body, validate=True)
    except ValueError:
        return []
    if not data.startswith(_MAGIC):
        return []
    at, found = len(_MAGIC), []
    try:
        for place in range(5):
            if place == 3:  # how many keys there are
                at += 4
                continue
            (size,) = struct.unpack_from(">I", data, at)
            found.append(data[at + 4 : at + 4 + size])
            at += 4 + size
    except struct.error:
        return []
    return [found[0], found[3]]


def _public(path: str, text: bytes) -> bytes:
    """Return the public key that belongs to a private key file; empty if it is not known."""
    if parts := _openssh(text):
        return parts[1]
    try:
        words = Path(f"{path}.pub").read_bytes()[:_MOST].split()
        return base64.b64decode(words[1])
    except (OSError, IndexError, ValueError):
        return b""


@dataclass(frozen=True, slots=True)
class PublicKey:
    """A public key of the user.

    Parameters:
        kind: its type, such as ssh-ed25519.
        data: in base64.
    """

    kind: str
    data: str

    @property
    def fingerprint(self) -> str:
        return fingerprint(self.data)

    def line(self) -> str:
        """Return the line for authorized_keys."""
        return f"{self.kind} {self.data} labctl"


def agent_keys() -> list[PublicKey]:
    """Return the keys that the user's ssh-agent holds, without certificates."""
    with _agent() as keys:
        blobs = [key.asbytes() for key in keys]
    return [key for blob in blobs if "-cert-" not in (key := _public_key(blob)).kind]


def public_key(node: str, name: str) -> PublicKey | None:
    """Return the public key of a private key file that a login can use; None if it has none.

    Parameters:
        node: the node's name, for errors.
        name: path; ~ is the user's home.

    Raises:
        AuthFailed: as `choose`.
    """
    with choose(node, (name,)) as chosen:
        if chosen.agent is not None:
            return _public_key(chosen.agent.asbytes())
        path = chosen.files[0]
        try:
            blob = _public(path, Path(path).read_bytes()[:_MOST])
            return _public_key(blob or paramiko.PKey.from_path(path).asbytes())
        except (OSError, ValueError, paramiko.SSHException):
            return None


def _public_key(blob: bytes) -> PublicKey:
    kind = blob[4 : 4 + int.from_bytes(blob[:4])].decode("ascii", "replace")
    return PublicKey(kind, base64.b64encode(blob).decode())


def tried(names: Sequence[str]) -> str:
    """Return what labctl offers to a node that refuses the login, for people.

    Parameters:
        names: of the target's key files; none: the agent's keys and the usual files.
    """
    if names:
        return ", ".join(names)
    with _agent() as keys:
        agent = [f"{key.get_name()} {key.fingerprint}" for key in keys]
    usual = [
        f"~/.ssh/{name}"
        for name in ("id_ed25519", "id_ecdsa", "id_rsa")
        if (Path.home() / ".ssh" / name).is_file()
    ]
    return ", ".join(
        (
            *(msg("the agent's {key}", key=key) for key in agent),
            *usual,
        )
    ) or msg("nothing: your ssh-agent holds no key, and there is none in ~/.ssh")
