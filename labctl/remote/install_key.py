"""Installs the user's public key on a machine that so far took a password."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from labctl.errors import AuthFailed, RemoteError
from labctl.messages import msg
from labctl.remote import login_keys
from labctl.remote.connection import Connection
from labctl.remote.hostkeys import HostKeys
from labctl.remote.passwords import Passwords
from labctl.remote.target import Target
from labctl.storage import read_script

_INSTALL = read_script(__file__, "install_key.sh")
_USUAL = ("~/.ssh/id_ed25519", "~/.ssh/id_ecdsa", "~/.ssh/id_rsa")


def install_key(target: Target, hostkeys: HostKeys, passwords: Passwords) -> str:
    """Let a machine accept the key that labctl offers it; log in with it to prove that it does.

    The key is that of ``key:`` in lab.yaml, else the first one of the ssh-agent, else the first of
    the usual files in ~/.ssh.

    Returns:
        The installed key's fingerprint; empty: the machine accepted a key already.

    Raises:
        AuthFailed: there is no key, the password was refused, or the machine does not accept keys.
        RemoteError: the machine could not be reached, or the key cannot be written there.
    """
    try:
        _prove(target, hostkeys)
    except AuthFailed:
        key = next(_candidates(target), None)
        if key is None:
            raise AuthFailed(
                msg("you have no key to install"),
                node=target.name,
                hint="create one with `ssh-keygen -t ed25519`; if it has a passphrase, "
                "run `ssh-add` too",
            ) from None
    else:
        return ""
    with Connection(target, hostkeys, passwords=passwords) as connection:
        code, _, err = connection.call_script(_INSTALL, key.line())
    if code:
        raise RemoteError(
            msg("the key cannot be installed"),
            node=target.name,
            hint="check the home folder of the login user",
            details=err.decode("utf-8", "replace").strip(),
        )
    try:
        _prove(target, hostkeys)
    except AuthFailed as error:
        raise AuthFailed(
            msg("the key is installed, and the login with it is refused"),
            node=target.name,
            hint="allow PubkeyAuthentication in sshd_config there; check who may write to the home "
            "folder and to .ssh",
        ) from error
    return key.fingerprint


def _prove(target: Target, hostkeys: HostKeys) -> None:
    with Connection(target, hostkeys) as connection:
        connection.call("true")


def _candidates(target: Target) -> Iterator[login_keys.PublicKey]:
    """Yield the public keys of what a login offers, in its order."""
    files = target.keys or ()
    if not files:
        yield from login_keys.agent_keys()
        files = tuple(name for name in _USUAL if Path(os.path.expanduser(name)).is_file())  # noqa: PTH111
    for name in files:
        if key := login_keys.public_key(target.name, name):
            yield key
