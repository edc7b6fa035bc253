"""The state of a lab between runs, and the lock against concurrent runs.

Every file is replaced atomically, so a killed run or a full disk leaves the old file.
"""

from __future__ import annotations

import contextlib
import datetime
import getpass
import json
import os
import socket
import threading
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from labctl.errors import LabLocked, StateError
from labctl.lab.workspace import Workspace
from labctl.messages import msg
from labctl.provision.facts import Facts
from labctl.remote.target import Target, ssh_config
from labctl.storage import build, exclusive, read_again, read_json, write

IDENTITY = ("name", "network")
"""Keys of lab.yaml that cannot change while machines exist."""


def _read(path: Path) -> dict[str, Any]:
    """Read a mapping; a missing or damaged file counts as empty, because its content is a cache."""
    try:
        data = read_json(path)
    except (FileNotFoundError, ValueError):
        return {}
    return data if isinstance(data, dict) else {}


def _choices(data: object) -> dict[str, Any]:
    """Return measured choices.

    Raises:
        ValueError: they are invalid.
    """
    if data is None:
        return {}
    if not isinstance(data, dict) or not all(
        isinstance(choice, dict) and "answer" in choice for choice in data.values()
    ):
        raise ValueError("choices: wrong type")
    return data


def _texts(data: object) -> dict[str, str]:
    """Return a mapping of texts; empty if it is none, because it is only compared."""
    if not isinstance(data, dict):
        return {}
    return {key: value for key, value in data.items() if isinstance(value, str)}


def _damaged_flags(path: Path, line: int) -> StateError:
    return StateError(
        msg("{path}, line {line}: the file is damaged", path=path, line=line),
        hint=msg(
            "set 'name' and 'network' of the existing machines in lab.yaml, then "
            "delete the file; if no machines exist, just delete it"
        ),
    )


def _user() -> str:
    """Return the current user's name; a container's user may have none."""
    try:
        return getpass.getuser()
    except (KeyError, OSError, ImportError):
        return "somebody"


@dataclass(slots=True)
class NodeRecord:
    """The record of a node.

    Parameters:
        target: how to reach it; None before its first start.
        facts: None before the first connection.
        choices: answers that were measured on it.
        settled: its last start ended cleanly. If not, for example because labctl was killed,
            Vagrant's steps after a boot (network, folders, key) may be missing.
        resuming: it was resumed and labctl did not see the end. Only its clock may be wrong, and
            its memory must be kept.
        machine: a digest of each key of lab.yaml that its machine was started with; empty before
            the first start.
    """

    target: Target | None = None
    facts: Facts | None = None
    choices: dict[str, Any] = field(default_factory=dict)
    settled: bool = True
    resuming: bool = False
    machine: dict[str, str] = field(default_factory=dict)

    @property
    def was_cut_off(self) -> bool:
        """Whether the machine's first start did not end: no run ever reached it."""
        return not self.settled and self.target is None


class State:
    """The state of one lab.

    Parameters:
        workspace: where it is stored.
        read_only: write nothing, and take no lock.
    """

    def __init__(self, workspace: Workspace, *, read_only: bool = False) -> None:
        self.workspace = workspace
        self._read_only = read_only
        self._guard = threading.Lock()

    def node(self, name: str) -> NodeRecord:
        """Return the record of a node; empty if there is none."""
        data = _read(self.workspace.node(name))
        try:
            return NodeRecord(
                target=self._target(data["target"]) if data.get("target") else None,
                facts=build(Facts, data["facts"]) if data.get("facts") else None,
                choices=_choices(data.get("choices")),
                settled=data.get("settled") is not False,
                resuming=data.get("resuming") is True,
                machine=_texts(data.get("machine")),
            )
        except ValueError:  # damaged, or written by another version of labctl
            return NodeRecord()

    def save(self, name: str, record: NodeRecord) -> None:
        """Save the record of a node."""
        data = {
            "target": self._target_as_json(record.target) if record.target else None,
            "facts": asdict(record.facts) if record.facts else None,
            "choices": record.choices,
            "settled": record.settled,
            "resuming": record.resuming,
            "machine": record.machine,
        }
        self._write(self.workspace.node(name), json.dumps(data, indent=2) + "\n")
        if record.target is not None:
            self.write_ssh_config()

    def _target(self, data: dict[str, Any]) -> Target:
        target = Target.from_json(data)
        folder = self.workspace.state
        return replace(target, keys=tuple(str(folder / key) for key in target.keys))

    def _target_as_json(self, target: Target) -> dict[str, Any]:
        """Return a target whose keys in the state folder are relative, so that a lab can move."""
        folder = self.workspace.state
        keys = [Path(key) for key in target.keys]
        inside = [key.relative_to(folder) if key.is_relative_to(folder) else key for key in keys]
        return target.as_json() | {"keys": [str(key) for key in inside]}

    def forget(self, name: str) -> None:
        """Delete the record of a node, because the node is gone."""
        self.workspace.node(name).unlink(missing_ok=True)
        self.write_ssh_config()

    def known_nodes(self) -> list[str]:
        """Return the names of all recorded nodes, sorted."""
        return sorted(path.stem for path in (self.workspace.state / "nodes").glob("*.json"))

    def write_ssh_config(self, existing: Iterable[Target] | None = None) -> None:
        """Write the lab's ssh_config, which plain ssh and scp can use with -F.

        Parameters:
            existing: how existing machines are reached; None: write the recorded nodes that were
                brought up.
        """
        with self._guard:
            targets = existing
            if targets is None:
                recorded = (self.node(name).target for name in self.known_nodes())
                targets = [target for target in recorded if target is not None]
            text = ssh_config(targets, self.workspace.known_hosts)
            self._write(self.workspace.ssh_config, text)

    def flags(self) -> dict[str, Any]:
        """Return the flags of earlier runs that still apply.

        Raises:
            StateError: the file is damaged. Without it, labctl could give existing machines another
                name or network.
        """
        path = self.workspace.flags
        try:
            data = read_json(path)
        except FileNotFoundError:
            return {}
        except ValueError as error:
            line = getattr(error, "lineno", 1)
            raise _damaged_flags(path, line) from error
        if not isinstance(data, dict):
            raise _damaged_flags(path, 1)
        return data

    def save_flags(self, flags: Mapping[str, Any]) -> None:
        """Save flags for later runs."""
        self._write(self.workspace.flags, json.dumps(dict(flags), indent=2) + "\n")

    def keep_identity(self, name: str, network: str) -> None:
        """Save the machines' name and network for as long as machines exist.

        This covers both values from lab.yaml and values that labctl chose: another lab, or a
        renamed folder, must not change them under existing machines.
        """
        flags = self.flags()
        kept = flags | {"name": name, "network": network}
        if kept != flags:
            self.save_flags(kept)

    def forget_identity(self) -> None:
        """Forget the provider, the name and the network, because no machine exists any more."""
        self.save_provider("")
        flags = self.flags()
        kept = {key: value for key, value in flags.items() if key not in IDENTITY}
        if kept != flags:
            self.save_flags(kept)

    def provider(self) -> str:
        """Return the provider that created the lab's machines, or an empty string."""
        return read_again(self.workspace.provider).strip()

    def save_provider(self, provider: str) -> None:
        """Save the provider; an empty string deletes it."""
        if provider:
            self._write(self.workspace.provider, provider + "\n")
        else:
            self.workspace.provider.unlink(missing_ok=True)

    def past(self) -> tuple[str, ...]:
        """Return the playbooks that take back what earlier runs have set on the nodes."""
        return ("proxy",) if self.workspace.proxied.exists() else ()

    def keep_proxied(self) -> None:
        """Remember that nodes were given a proxy, which must be removed if lab.yaml loses it."""
        if not self._read_only and not self.workspace.proxied.exists():
            self.workspace.make()
            self._write(self.workspace.proxied, "")

    def busy(self) -> bool:
        """Return whether another labctl process holds the lab's lock."""
        if not self.workspace.lock.exists():
            return False
        try:
            with exclusive(self.workspace.lock, timeout=0):
                return False
        except TimeoutError:
            return True

    @contextlib.contextmanager
    def locked(self, what: str) -> Iterator[None]:
        """Hold the lab's lock.

        The operating system releases the lock when the process ends, so stale locks are ignored.

        Parameters:
            what: the command, which other processes name while they wait.

        Raises:
            LabLocked: another process holds the lock; the message names it and its start.
        """
        if self._read_only:
            yield
            return
        self.workspace.make()
        with contextlib.ExitStack() as stack:
            try:
                stack.enter_context(exclusive(self.workspace.lock, timeout=0))
            except TimeoutError:
                raise self._locked_by_other() from None
            stack.callback(self.workspace.holder.unlink, missing_ok=True)
            self._sign(what)
            yield

    def _write(self, path: Path, text: str) -> None:
        if not self._read_only:
            write(path, text)

    def _sign(self, what: str) -> None:
        """Record the lock's holder if possible; `destroy` must work on a full disk."""
        self.workspace.holder.unlink(missing_ok=True)
        signature = {
            "command": what,
            "pid": os.getpid(),
            "user": _user(),
            "host": socket.gethostname(),
            "since": datetime.datetime.now().astimezone().isoformat(timespec="seconds"),
        }
        with contextlib.suppress(StateError):
            write(self.workspace.holder, json.dumps(signature) + "\n")

    def _locked_by_other(self) -> LabLocked:
        holder = _read(self.workspace.holder)
        who: str = msg("another labctl")
        if holder:
            known = {
                key: holder.get(key, "?") for key in ("command", "user", "host", "pid", "since")
            }
            who = msg(
                "`labctl {command}` of {user} on {host} (process {pid}), since {since}", **known
            )
        return LabLocked(
            msg("this lab is in use by {who}", who=who),
            hint="wait for it, or end that process",
        )
