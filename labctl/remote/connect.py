"""Connects to a node, with its keys, the agent, and jump hosts.

`labctl.remote.connect_errors` explains failures. What the user's own ssh_config adds to a machine
of lab.yaml is in its target already; see `labctl.remote.ssh_aliases`.
"""

from __future__ import annotations

import contextlib
import getpass
from collections.abc import Callable, Collection
from typing import Any

import paramiko
from fabric import Config
from fabric import Connection as FabricConnection

from labctl.errors import AuthFailed, RemoteError
from labctl.messages import msg
from labctl.remote import login_keys
from labctl.remote.connect_errors import failed, key_changed, no_way
from labctl.remote.hostkeys import HostKeys, host_name, known_keys
from labctl.remote.known_hosts import KnownKeys, lookup
from labctl.remote.password_login import PasswordLogin
from labctl.remote.proxy_command import ProxySocket
from labctl.remote.target import Target
from labctl.remote.transport import Transport

BROKEN = (paramiko.SSHException, EOFError, OSError)
"""Exceptions of paramiko if the other side is gone."""


def connect(
    target: Target,
    hostkeys: HostKeys,
    timeout: float,
    password: str | None = None,
    began: Callable[[Any], object] = lambda connection: None,
) -> Any:
    """Connect to a node once.

    A password goes only to a node that refused all keys, and only after its host key was checked
    and recorded. It has a connection of its own, where refused keys do not count against the
    node's limit of attempts.

    Parameters:
        target: where the node is and who logs in.
        hostkeys: where its host key is recorded; a first connection records it.
        timeout: seconds for each step: TCP connection, banner, authentication.
        password: of the login user; None: use keys only.
        began: called with each connection before it opens; `disconnect` ends the attempt then.

    Returns:
        An open Fabric connection, for use by one thread, because its `open` is not thread-safe.

    Raises:
        ConnectFailed: nothing answers.
        AuthFailed: the node, or its jump host, refused the login, or there is no key to offer.
            Jump hosts get no password.
        HostKeyChanged: the node offers another key than the recorded one, or, at the first
            contact, than the one in the user's known_hosts.
        StateError: the node's key cannot be recorded.
        RemoteError: the recorded key cannot be read, or the jump host's key is not the one in
            known_hosts.
    """
    user = target.user or getpass.getuser()
    login = PasswordLogin(user, password) if password is not None else None
    limits: dict[str, Any] = {"banner_timeout": timeout, "auth_timeout": timeout}
    options: dict[str, Any] = {"allow_agent": not target.keys, "look_for_keys": not target.keys}
    with contextlib.ExitStack() as undo, login_keys.choose(target.name, target.keys) as chosen:
        if target.keys:
            options["key_filename"], options["pkey"] = list(chosen.files), chosen.agent
        gateway = _jump(target, timeout, undo) if target.jump else None

        def attempt(**how: Any) -> Any:
            factory = _preferring(_known_kinds(target, hostkeys), login)
            proxy = _proxy(target) if target.proxy and not target.jump else None
            connection = FabricConnection(
                target.host,
                user=target.user or None,
                port=target.port,
                config=_config(),
                gateway=gateway,
                connect_timeout=timeout,
                connect_kwargs={**limits, "transport_factory": factory, "sock": proxy, **how},
            )
            with contextlib.ExitStack() as undo_attempt:
                undo_attempt.callback(_disconnect, connection)
                began(connection)
                _expect_key(connection.client, target, hostkeys)
                try:
                    connection.open()
                except paramiko.BadHostKeyException as error:
                    raise key_changed(error, target, hostkeys) from error
                except BROKEN as error:
                    why = proxy.failure if proxy else ""
                    raise failed(error, connection.client, target, login, why) from error
                connection.transport.watch()
                undo_attempt.pop_all()
            return connection

        try:
            connection = attempt(**options)
        except AuthFailed:
            if login is None or login.sent:
                raise
            connection = attempt(auth_strategy=login)
        undo.pop_all()
    return connection


def disconnect(connection: Any) -> None:
    """Close a connection and its jump host's, or its proxy command, whatever their state."""
    _disconnect(connection)
    if isinstance(connection.gateway, FabricConnection):
        connection.gateway.client.close()


def _disconnect(connection: Any) -> None:
    connection.client.close()
    proxy = connection.connect_kwargs.get("sock")
    if proxy is not None:
        proxy.close()


def _proxy(target: Target) -> ProxySocket:
    try:
        return ProxySocket(target)
    except OSError as error:
        raise failed(error, None, target) from error


def _config() -> Any:
    return Config(lazy=True, overrides={"load_ssh_configs": False})


def _jump(target: Target, timeout: float, undo: contextlib.ExitStack) -> Any:
    """Return an open connection to the node's jump host; `undo` closes it.

    It belongs to the user: the keys are those of the agent and the usual files, and its host key
    is in ~/.ssh/known_hosts.
    """
    options: dict[str, Any] = {"banner_timeout": timeout, "auth_timeout": timeout}
    gateway = FabricConnection(
        target.jump, config=_config(), connect_timeout=timeout, connect_kwargs=options
    )
    undo.callback(gateway.client.close)
    known = lookup(gateway.host, gateway.port)
    gateway.connect_kwargs["transport_factory"] = _preferring(known.kinds)
    gateway.client.set_missing_host_key_policy(_KnownToUser(known))
    try:
        gateway.open()
    except BROKEN as error:
        raise no_way(error, gateway, target) from error
    # How long the jump host may take to reach the node; paramiko's own limit is an hour.
    gateway.transport.channel_timeout = timeout
    gateway.transport.watch()
    return gateway


def _known_kinds(target: Target, hostkeys: HostKeys) -> list[str]:
    """Return the types of the keys that are known of a node."""
    recorded = hostkeys.get(target.name)
    return [recorded[0]] if recorded else known_keys(target).kinds


def _expect_key(client: Any, target: Target, hostkeys: HostKeys) -> None:
    known = hostkeys.get(target.name)
    if known is None:
        client.set_missing_host_key_policy(_FirstContact(target, hostkeys))
        return
    kind, data = known
    place = host_name(target)
    key = _parsed(place, kind, data)
    if key is None:
        raise RemoteError(
            msg("the host key recorded in {path} cannot be read", path=hostkeys.path),
            node=target.name,
            hint=msg(
                "remove the line {entry} from that file and run the command again",
                entry=target.name,
            ),
        )
    client.get_host_keys().add(place, kind, key)
    client.set_missing_host_key_policy(paramiko.RejectPolicy())


def _preferring(
    kinds: Collection[str], login: PasswordLogin | None = None
) -> Callable[..., Transport]:
    """Return what makes transports that ask the host for a key of these types first.

    A host has several keys. It must offer the one that is known, if it still has it.

    Parameters:
        kinds: types of the known keys.
        login: answers a host that wants a password after a key; None: such a login fails.
    """

    def transport(*arguments: Any, **options: Any) -> Transport:
        made = Transport(*arguments, **options)
        made.login = login
        security = made.get_security_options()
        # rsa-sha2-256 and rsa-sha2-512 are signatures by a key of the type ssh-rsa.
        security.key_types = sorted(
            security.key_types,
            key=lambda kind: ("ssh-rsa" if kind.startswith("rsa-") else kind) not in kinds,
        )
        return made

    return transport


class _FirstContact(paramiko.MissingHostKeyPolicy):
    """Records the key of a node at the first connection, or refuses it."""

    def __init__(self, target: Target, hostkeys: HostKeys) -> None:
        self._target = target
        self._hostkeys = hostkeys

    def missing_host_key(self, client: Any, hostname: str, key: Any) -> None:
        self._hostkeys.meet(self._target, key.get_name(), key.get_base64())


class _KnownToUser(paramiko.MissingHostKeyPolicy):
    """Accepts only the keys that the user's own known_hosts has for a host."""

    def __init__(self, known: KnownKeys) -> None:
        self._known = known

    def missing_host_key(self, client: Any, hostname: str, key: Any) -> None:
        if self._known.knows((key.get_name(), key.get_base64())):
            return
        expected = [_parsed(hostname, *known) for known in self._known.accepted]
        if not any(expected):
            raise paramiko.SSHException(f"{hostname} not found in known_hosts")
        raise paramiko.BadHostKeyException(hostname, key, next(filter(None, expected)))


def _parsed(place: str, kind: str, data: str) -> Any:
    """Return a recorded key in paramiko's form, None if it cannot be read."""
    entry = paramiko.hostkeys.HostKeyEntry.from_line(f"{place} {kind} {data}")
    return None if entry is None else entry.key
