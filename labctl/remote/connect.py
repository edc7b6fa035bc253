"""Making the connection to a node; the only module that imports Fabric and what lies below it.

Keys, agent and jump hosts are dealt with here, and each way to fail becomes an error that says what
to do. The user's own ssh_config is not read: a lab means the same on every machine.
"""

from __future__ import annotations

import contextlib
import socket
import sys
from collections.abc import Iterator
from pathlib import Path
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
        AuthFailed: the node refused the login.
        HostKeyChanged: it shows another key than the recorded one.
    """
    options: dict[str, Any] = {
        "banner_timeout": timeout,
        "auth_timeout": timeout,
        "transport_factory": _transport,
        "allow_agent": not target.keys,
        "look_for_keys": not target.keys,
    }
    if target.keys:
        options["key_filename"] = [str(Path(key).expanduser()) for key in target.keys]
    config = Config(lazy=True, overrides={"load_ssh_configs": False})
    gateway: Any = target.proxy or None
    if target.jump:
        gateway = Connection(target.jump, config=config, connect_timeout=TIMEOUT)
        gateway.client.load_system_host_keys()
        gateway.client.set_missing_host_key_policy(paramiko.RejectPolicy())
    connection = Connection(
        target.host,
        user=target.user or None,
        port=target.port,
        config=config,
        gateway=gateway,
        connect_timeout=timeout,
        connect_kwargs=options,
    )
    _expect_key(connection.client, target, hostkeys)
    try:
        dialled = dial.take(timeout) if dial is not None else None
        if dialled is not None:
            connection.connect_kwargs["sock"] = dialled
        connection.open()
    except paramiko.BadHostKeyException as error:
        raise _key_changed(error, target, hostkeys) from error
    except paramiko.AuthenticationException as error:
        raise AuthFailed(
            f"{target.user}@{target.host}:{target.port} refused the login",
            node=target.name,
            hint=_key_hint(target),
            details=str(error),
        ) from error
    except BROKEN as error:
        connection.close()
        if isinstance(error, socket.gaierror):
            hint = f"the name {target.host} does not resolve here"
        elif target.jump and "not found in known_hosts" in str(error):
            hint = f"log in to {target.jump} once with ssh, so that its host key is known"
        else:
            hint = "is the machine up, and its sshd? `labctl status` shows what answers"
        raise ConnectFailed(
            f"{target.host}:{target.port} does not answer",
            node=target.name,
            hint=hint,
            details=str(error),
        ) from error
    # A node that vanishes without a word is noticed, and a firewall keeps the connection open.
    connection.transport.set_keepalive(15)
    return connection


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


def _key_changed(error: Any, target: Target, hostkeys: HostKeys) -> HostKeyChanged:
    return HostKeyChanged(
        "another machine answers, or the node was installed anew: its host key changed",
        node=target.name,
        details=(
            f"recorded {error.expected_key.get_name()} {error.expected_key.fingerprint}\n"
            f"offered  {error.key.get_name()} {error.key.fingerprint}"
        ),
        hint=(
            f"if that was you, remove the line {target.name} from {hostkeys.path} "
            "and run the command again"
        ),
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
