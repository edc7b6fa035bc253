"""What it means that a node could not be connected with: each way to fail, and what to do about it.

paramiko has few words for it, and of several failures tells the last.
"""

from __future__ import annotations

import socket
from typing import Any

import paramiko

from labctl.errors import AuthFailed, ConnectFailed, HostKeyChanged, RemoteError
from labctl.remote.hostkeys import HostKeys
from labctl.remote.target import Target


def failed(error: Exception, client: Any, target: Target) -> RemoteError:
    """Return the error for a node that could not be connected with."""
    if isinstance(error, OSError) and error.filename and _refused(error, client):
        return AuthFailed(
            f"the key {error.filename} cannot be read: {error.strerror}",
            node=target.name,
            hint="put the key there, or name another with 'key:' in lab.yaml",
        )
    if _refused(error, client, all_keys=not target.keys):
        return AuthFailed(
            f"{target.user}@{target.host}:{target.port} refused the login",
            node=target.name,
            hint=_key_hint(target),
            details=_why(error, client),
        )
    if isinstance(error, socket.gaierror):
        hint = f"the name {target.host} does not resolve here"
    else:
        hint = "is the machine up, and its sshd? `labctl status` shows what answers"
    return ConnectFailed(
        f"{target.host}:{target.port} does not answer",
        node=target.name,
        hint=hint,
        details=str(error),
    )


def no_way(error: Exception, gateway: Any, target: Target) -> RemoteError:
    """Return the error for a jump host that could not be connected with."""
    jump = target.jump
    if isinstance(error, paramiko.BadHostKeyException):
        place = gateway.host if gateway.port == 22 else f"[{gateway.host}]:{gateway.port}"
        return RemoteError(
            f"the host key of the jump host {jump} changed, or another machine answers there",
            node=target.name,
            details=_two_keys(error),
            hint=(
                f"if that was you, run `ssh-keygen -R {place}`, and log in to {jump} once with ssh"
            ),
        )
    if "not found in known_hosts" in str(error):
        return RemoteError(
            f"the host key of the jump host {jump} is not known",
            node=target.name,
            hint=f"log in to {jump} once with ssh, so that its host key is known",
        )
    if _refused(error, gateway.client, all_keys=True):
        return AuthFailed(
            f"the jump host {jump} refused the login",
            node=target.name,
            hint="its key has to be in your ssh-agent, or in one of the usual files in ~/.ssh",
            details=_why(error, gateway.client),
        )
    if isinstance(error, socket.gaierror):
        hint = f"the name {gateway.host} does not resolve here"
    else:
        hint = f"does `ssh {jump}` work?"
    return ConnectFailed(
        f"the jump host {jump} does not answer", node=target.name, hint=hint, details=str(error)
    )


def key_changed(error: Any, target: Target, hostkeys: HostKeys) -> HostKeyChanged:
    """Return the error for a node that shows another host key than the recorded one."""
    return HostKeyChanged(
        "another machine answers, or the node was installed anew: its host key changed",
        node=target.name,
        details=_two_keys(error),
        hint=(
            f"if that was you, remove the line {target.name} from {hostkeys.path} "
            "and run the command again"
        ),
    )


def _refused(error: Exception, client: Any, *, all_keys: bool = False) -> bool:
    """Tell whether it was the login that failed.

    Of several failures paramiko tells the last: that there is no key at all, that a file holds
    none, or one of another kind than was tried last.

    Parameters:
        error: what paramiko raised.
        client: its client.
        all_keys: whether all of the user's keys were tried. sshd ends a connection after too many
            wrong ones; with one key such an end is that of a machine that goes down.
    """
    if isinstance(error, paramiko.AuthenticationException):
        return True
    transport = client.get_transport()
    if transport is None or not transport.initial_kex_done:
        return False
    return bool(transport.is_active() or (all_keys and transport.auth_handler is not None))


def _why(error: Exception, client: Any) -> str:
    """Return what paramiko says of a login that failed, unless it is about another key."""
    if isinstance(error, paramiko.AuthenticationException):
        return str(error)
    return "" if client.get_transport().auth_handler is not None else str(error)


def _two_keys(error: Any) -> str:
    return (
        f"recorded {error.expected_key.get_name()} {error.expected_key.fingerprint}\n"
        f"offered  {error.key.get_name()} {error.key.fingerprint}"
    )


def _key_hint(target: Target) -> str:
    if target.keys:
        return f"offered was {', '.join(target.keys)}; does the node know that key?"
    return "add the key to your ssh-agent, or name it with 'key:' in lab.yaml"
