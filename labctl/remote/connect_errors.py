"""The errors for failed connections: what failed, and how to fix it.

paramiko distinguishes few failures, and reports only the last of several.
"""

from __future__ import annotations

import errno
import getpass
import socket
from typing import Any

import paramiko

from labctl.errors import (
    AuthFailed,
    ConnectFailed,
    HostKeyChanged,
    NodeSilent,
    ProtocolError,
    RemoteError,
)
from labctl.messages import msg
from labctl.remote import login_keys
from labctl.remote.channel import ANSWER, Flood
from labctl.remote.hostkeys import HostKeys
from labctl.remote.password_login import OtherMethods, PasswordLogin
from labctl.remote.target import Target


def failed(
    error: Exception,
    client: Any,
    target: Target,
    login: PasswordLogin | None = None,
    proxy_failure: str = "",
) -> RemoteError:
    """Return the error for a node that could not be reached.

    Parameters:
        error: what paramiko raised.
        client: its client; None: it was not used yet.
        target: the node.
        login: with a password; None: there was none.
        proxy_failure: why the node's proxy command ended; empty if it did not.
    """
    if isinstance(error, OtherMethods):
        return _other_methods(error, target)
    if login is not None and login.sent and _refused(error, client, all_keys=True):
        return AuthFailed(
            msg("{login} refused the password", login=_login(target)),
            node=target.name,
            hint=msg(
                "check it. All hosts of a run get the same password; if this one has another, "
                "use `--limit {node}`",
                node=target.name,
            ),
        )
    if isinstance(error, OSError) and error.filename and _refused(error, client):
        return AuthFailed(
            msg(
                "the key {filename} cannot be read: {reason}",
                filename=error.filename,
                reason=error.strerror,
            ),
            node=target.name,
            hint="put the key there, or set 'key:' in lab.yaml",
        )
    if _refused(error, client, all_keys=not target.keys):
        return AuthFailed(
            msg("{login} refused the login", login=_login(target)),
            node=target.name,
            hint=_key_hint(error, target),
            details=_why(error, client),
        )
    if isinstance(error, socket.gaierror):
        hint = msg("the name {host} does not resolve here", host=target.host)
    elif isinstance(error, OSError) and error.errno == errno.EMFILE:
        hint = msg("this process cannot open more files; raise the limit with `ulimit -n`")
    elif proxy_failure:
        hint = msg("check the proxy command of this machine, which ended: {why}", why=proxy_failure)
    else:
        hint = (
            msg("check that the machine and its sshd run; `labctl status` shows which nodes answer")
            if target.existing
            else msg(
                "`labctl up` starts a machine that is off; `labctl status` shows which nodes answer"
            )
        )
    return ConnectFailed(
        msg("{host}:{port} does not answer", host=target.host, port=target.port),
        node=target.name,
        hint=hint,
        details=_unconnected(error),
    )


def _unconnected(error: Exception) -> str:
    """Return why no connection came about; paramiko hides the reasons of the system."""
    if not isinstance(error, paramiko.ssh_exception.NoValidConnectionsError):
        return str(error)
    reasons = (getattr(one, "strerror", None) or str(one) for one in error.errors.values())
    return "\n".join(dict.fromkeys(reasons))


def broken(error: BaseException, cause: str, node: str) -> ProtocolError:
    """Return the error for a connection that broke while it was used.

    Parameters:
        error: what was raised.
        cause: why the transport ended, if it knows; see `Transport.cause`.
        node: the node's name.
    """
    if isinstance(error, Flood):
        return ProtocolError(
            msg("the node answered more than {size} MiB", size=ANSWER >> 20),
            node=node,
            hint="find out what it prints, for example with `labctl exec`",
        )
    if isinstance(error, TimeoutError) and not cause:
        return NodeSilent(
            "the node accepted a command and did not answer in time",
            node=node,
            hint="check whether it hangs, then run the same command again",
        )
    return ProtocolError(
        msg("the connection broke: {error}", error=cause or error or type(error).__name__),
        node=node,
        hint="check that the node runs, then run the same command again",
    )


def slow(node: str, seconds: float) -> NodeSilent:
    """Return the error for a node that was given up."""
    return NodeSilent(
        msg("the node did not answer within {seconds:.0f} s", seconds=seconds),
        node=node,
        hint="check whether it hangs, then run the same command again",
    )


def no_way(error: Exception, gateway: Any, target: Target) -> RemoteError:
    """Return the error for a jump host that could not be reached."""
    jump = target.jump
    if isinstance(error, paramiko.BadHostKeyException):
        place = gateway.host if gateway.port == 22 else f"[{gateway.host}]:{gateway.port}"
        return RemoteError(
            msg(
                "the host key of the jump host {jump} changed, or another machine answers there",
                jump=jump,
            ),
            node=target.name,
            details=_two_keys(error),
            hint=(
                msg(
                    "if you expected this, run `ssh-keygen -R {place}` and log in to "
                    "{jump} once with ssh",
                    place=place,
                    jump=jump,
                )
            ),
        )
    if "not found in known_hosts" in str(error):
        return RemoteError(
            msg("the host key of the jump host {jump} is unknown", jump=jump),
            node=target.name,
            hint=msg("log in to {jump} once with ssh to record its host key", jump=jump),
        )
    if _refused(error, gateway.client, all_keys=True):
        return AuthFailed(
            msg("the jump host {jump} refused the login", jump=jump),
            node=target.name,
            hint="its key has to be in your ssh-agent, or in one of the usual files in ~/.ssh; "
            "labctl sends no password to a jump host",
            details=_why(error, gateway.client),
        )
    if isinstance(error, socket.gaierror):
        hint = msg("the name {host} does not resolve here", host=gateway.host)
    else:
        hint = msg("try `ssh {jump}`", jump=jump)
    return ConnectFailed(
        msg("the jump host {jump} does not answer", jump=jump),
        node=target.name,
        hint=hint,
        details=str(error),
    )


def key_changed(error: Any, target: Target, hostkeys: HostKeys) -> HostKeyChanged:
    """Return the error for a node that offers another host key than the recorded one."""
    return HostKeyChanged(
        "the host key changed: another machine answers, or the node was reinstalled",
        node=target.name,
        details=_two_keys(error),
        hint=(
            msg(
                "if you expected this, remove the line {entry} from {path} and run "
                "the command again",
                entry=target.name,
                path=hostkeys.path,
            )
        ),
    )


def _refused(error: Exception, client: Any, *, all_keys: bool = False) -> bool:
    """Return whether the login failed, rather than the connection.

    paramiko reports the last of several failures: that there is no key at all, that a file holds
    none, or that it holds one of another type than the last one tried.

    Parameters:
        error: what paramiko raised.
        client: its client.
        all_keys: whether all of the user's keys were tried. sshd ends a connection after too many
            wrong keys. If only one was tried, such an end means that the machine goes down.
    """
    if isinstance(error, paramiko.AuthenticationException):
        return True
    transport = client and client.get_transport()
    if transport is None or not transport.initial_kex_done:
        return False
    return bool(transport.is_active() or (all_keys and transport.auth_handler is not None))


def _why(error: Exception, client: Any) -> str:
    """Return paramiko's reason for a failed login, unless it is about another key."""
    if isinstance(error, paramiko.AuthenticationException):
        return str(error)
    return "" if client.get_transport().auth_handler is not None else str(error)


def _two_keys(error: Any) -> str:
    return msg(
        "recorded {known_type} {known}\noffered  {offered_type} {offered}",
        known_type=error.expected_key.get_name(),
        known=error.expected_key.fingerprint,
        offered_type=error.key.get_name(),
        offered=error.key.fingerprint,
    )


def _key_hint(error: Exception, target: Target) -> str:
    accepted = getattr(error, "allowed_types", ["publickey"])
    if "publickey" not in accepted:
        return msg(
            "the node accepts no keys, only {types}: pass -k to log in with a password",
            types=", ".join(accepted),
        )
    if target.keys:
        return msg(
            "labctl offered {keys}; check that the node accepts it, or pass -k to log in with a "
            "password",
            keys=", ".join(target.keys),
        )
    return msg(
        "add the key to your ssh-agent, set 'key:' in lab.yaml, or pass -k to log in with a "
        "password; labctl offered {keys}",
        keys=login_keys.tried(()),
    )


def _other_methods(error: OtherMethods, target: Target) -> AuthFailed:
    """Return the error for a node that a password alone does not satisfy."""
    if error.questions:
        return AuthFailed(
            msg("{login} asks for more than a password", login=_login(target)),
            node=target.name,
            hint="use a key for this machine",
            details=msg("it asked: {questions}", questions=", ".join(error.questions)),
        )
    return AuthFailed(
        msg(
            "{login} accepts no password, only {methods}",
            login=_login(target),
            methods=", ".join(error.methods),
        ),
        node=target.name,
        hint="have your public key added to authorized_keys there",
    )


def _login(target: Target) -> str:
    """Return who logs in where, for people."""
    return f"{target.user or getpass.getuser()}@{target.host}:{target.port}"
