"""Making the connection to a node; the only module that imports Fabric and what lies below it.

Keys, agent and jump hosts are dealt with here, and each way to fail becomes an error that says what
to do. The user's own ssh_config is not read: a lab means the same on every machine.
"""

from __future__ import annotations

import contextlib
import os
import socket
import sys
from collections.abc import Iterator
from types import ModuleType
from typing import Any

from labctl.errors import AuthFailed, ConnectFailed, HostKeyChanged, RemoteError
from labctl.remote.dial import Dial
from labctl.remote.hostkeys import HostKeys
from labctl.remote.target import Target


@contextlib.contextmanager
def _spared(name: str, **contents: object) -> Iterator[None]:
    """Let what is imported in the block find an empty module `name`, unless that is loaded already.

    Parameters:
        name: of the module that is imported, and needed by nothing that is used here.
        contents: what is imported from it by name.
    """
    if name in sys.modules:
        yield
        return
    module = ModuleType(name)
    vars(module).update(contents)
    sys.modules[name] = module
    try:
        yield
    finally:
        del sys.modules[name]


# Invoke, below Fabric, has a class for tests, and for it imports unittest.mock and with that all of
# asyncio: a fifth of what connecting costs on this side.
with _spared("unittest.mock", Mock=object):
    import paramiko
    from fabric import Config, Connection

TIMEOUT = 20.0
"""Seconds for one attempt: TCP connection, banner and authentication each."""

REKEY_BYTES = 1 << 36
"""Bytes after which keys are exchanged anew; what RFC 4344 asks of AES. paramiko does it after half
a GiB, and a file of that size then hangs: its thread that reads waits for itself."""

FAST_CIPHERS = ("aes128-gcm@openssh.com", "aes256-gcm@openssh.com")
"""Tried first: no separate MAC has to be computed, which is a third of the work."""

WINDOW = 1 << 22
"""Bytes that a node may send before they are taken: what is on its way on a line of 300 Mbit/s and
100 ms; paramiko offers half. Whoever takes less than there is pays for it: paramiko moves up the
rest of its buffer after each part."""

PACKET = 1 << 17
"""Longest packet, in bytes, that a node may send. OpenSSH makes use of it, and sends up to 256 KiB;
paramiko would offer 32 KiB, which is four times the work in Python."""

BROKEN = (paramiko.SSHException, EOFError, OSError)
"""What the transport raises when the other side is gone."""


def connect(
    target: Target,
    hostkeys: HostKeys,
    timeout: float = TIMEOUT,
    dial: Dial | None = None,
) -> Any:
    """Connect to a node once.

    Parameters:
        target: where it is and who logs in.
        hostkeys: where its host key is recorded; one that is not yet is recorded now.
        timeout: seconds for each step: TCP connection, banner, authentication.
        dial: a TCP connection to it that is being made already.

    Returns:
        An open Fabric connection. It serves one thread: `Connection.open` is not safe for several.

    Raises:
        ConnectFailed: nothing answers.
        AuthFailed: the node, or its jump host, refused the login, or there is no key to offer.
        HostKeyChanged: it shows another key than the recorded one.
        StateError: its key cannot be recorded.
        RemoteError: the recorded key cannot be read, or its jump host is not as known_hosts has it.
    """
    options: dict[str, Any] = {
        "banner_timeout": timeout,
        "auth_timeout": timeout,
        "transport_factory": _transport,
        "allow_agent": not target.keys,
        "look_for_keys": not target.keys,
    }
    if target.keys:
        # Unlike Path's, it bears a user that there is not.
        options["key_filename"] = [os.path.expanduser(key) for key in target.keys]  # noqa: PTH111
    with contextlib.ExitStack() as undo:
        gateway: Any = target.proxy or None
        if target.jump:
            gateway = _jump(target, timeout, undo)
        connection = Connection(
            target.host,
            user=target.user or None,
            port=target.port,
            config=_config(),
            gateway=gateway,
            connect_timeout=timeout,
            connect_kwargs=options,
        )
        undo.callback(disconnect, connection)
        _expect_key(connection.client, target, hostkeys)
        try:
            dialled = dial.take(timeout) if dial is not None else None
            if dialled is not None:
                connection.connect_kwargs["sock"] = dialled
            connection.open()
        except paramiko.BadHostKeyException as error:
            raise _key_changed(error, target, hostkeys) from error
        except BROKEN as error:
            raise _failed(error, connection.client, target) from error
        # A node that vanishes without a word is noticed, and a firewall keeps the connection open.
        connection.transport.set_keepalive(15)
        undo.pop_all()
    return connection


def disconnect(connection: Any) -> None:
    """Close a connection and the one to its jump host, in whatever state they are."""
    connection.client.close()
    if isinstance(connection.gateway, Connection):
        connection.gateway.client.close()


def _config() -> Any:
    return Config(lazy=True, overrides={"load_ssh_configs": False})


def _jump(target: Target, timeout: float, undo: contextlib.ExitStack) -> Any:
    """Return an open connection to the node's jump host; `undo` closes it.

    It is the user's own affair: the keys are those of the agent and the usual ones, and its host
    key stands in ~/.ssh/known_hosts.
    """
    options = {
        "banner_timeout": timeout,
        "auth_timeout": timeout,
        "transport_factory": _transport,
    }
    gateway = Connection(
        target.jump, config=_config(), connect_timeout=timeout, connect_kwargs=options
    )
    undo.callback(gateway.client.close)
    gateway.client.load_system_host_keys()
    gateway.client.set_missing_host_key_policy(paramiko.RejectPolicy())
    try:
        gateway.open()
    except BROKEN as error:
        raise _no_way(error, gateway, target) from error
    # How long the jump host may take to reach the node; paramiko's own limit is an hour.
    gateway.transport.channel_timeout = timeout
    return gateway


def _transport(*args: Any, **options: Any) -> paramiko.Transport:
    transport = paramiko.Transport(*args, **options)
    security = transport.get_security_options()
    known = security.ciphers
    fast = tuple(cipher for cipher in FAST_CIPHERS if cipher in known)
    security.ciphers = (*fast, *(cipher for cipher in known if cipher not in fast))
    transport.packetizer.REKEY_BYTES = REKEY_BYTES
    if isinstance(transport.sock, socket.socket):
        # Without it a command waits 40 ms for the acknowledgement of what was sent before it.
        transport.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return transport


def _expect_key(client: Any, target: Target, hostkeys: HostKeys) -> None:
    known = hostkeys.get(target.name)
    if known is None:
        client.set_missing_host_key_policy(_Recorder(target.name, hostkeys))
        return
    kind, data = known
    place = target.host if target.port == 22 else f"[{target.host}]:{target.port}"
    entry = paramiko.hostkeys.HostKeyEntry.from_line(f"{place} {kind} {data}")
    if entry is None or entry.key is None:
        raise RemoteError(
            f"the host key recorded in {hostkeys.path} cannot be read",
            node=target.name,
            hint=f"remove its line {target.name} there and run the command again",
        )
    client.get_host_keys().add(place, kind, entry.key)
    client.set_missing_host_key_policy(paramiko.RejectPolicy())


def _failed(error: Exception, client: Any, target: Target) -> RemoteError:
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


def _no_way(error: Exception, gateway: Any, target: Target) -> RemoteError:
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


def _key_changed(error: Any, target: Target, hostkeys: HostKeys) -> HostKeyChanged:
    return HostKeyChanged(
        "another machine answers, or the node was installed anew: its host key changed",
        node=target.name,
        details=_two_keys(error),
        hint=(
            f"if that was you, remove the line {target.name} from {hostkeys.path} "
            "and run the command again"
        ),
    )


def _two_keys(error: Any) -> str:
    return (
        f"recorded {error.expected_key.get_name()} {error.expected_key.fingerprint}\n"
        f"offered  {error.key.get_name()} {error.key.fingerprint}"
    )


class _Recorder(paramiko.MissingHostKeyPolicy):
    """Records the key of a node that is reached for the first time."""

    def __init__(self, name: str, hostkeys: HostKeys) -> None:
        self._name = name
        self._hostkeys = hostkeys

    def missing_host_key(self, client: Any, hostname: str, key: Any) -> None:
        self._hostkeys.record(self._name, key.get_name(), key.get_base64())


def _key_hint(target: Target) -> str:
    if target.keys:
        return f"offered was {', '.join(target.keys)}; does the node know that key?"
    return "add the key to your ssh-agent, or name it with 'key:' in lab.yaml"
