"""What a lab remembers between runs, and the lock that keeps two runs apart.

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
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from labctl.errors import LabLocked, StateError
from labctl.lab.workspace import Workspace
from labctl.messages import msg
from labctl.provision.facts import Facts
from labctl.remote.target import Target, ssh_config
from labctl.storage import exclusive, write

IDENTITY = ("name", "network")
"""Keys of lab.yaml that cannot change while machines exist."""


def _read(path: Path) -> dict[str, Any]:
    """Read a mapping; a missing or damaged file counts as empty, because its content is a cache."""
    try:
        data = json.loads(path.read_text("utf-8"))
    except (FileNotFoundError, ValueError):
        return {}
    except OSError as error:
        raise StateError(
            msg("{path} cannot be read: {reason}", path=path, reason=error.strerror),
            hint="give yourself read access; a labctl that ran as another user may have made it",
        ) from error
    return data if isinstance(data, dict) else {}


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
    """

    target: Target | None = None
    facts: Facts | None = None
    choices: dict[str, Any] = field(default_factory=dict)
    settled: bool = True
    resuming: bool = False


class State:
    """The state of one lab.

    Parameters:
        workspace: where it is stored.
    """

    def __init__(self, workspace: Workspace) -> None:
        self.workspace = workspace
        self._guard = threading.Lock()

    def node(self, name: str) -> NodeRecord:
        """Return the record of a node; empty if there is none."""
        data = _read(self.workspace.node(name))
        try:
            return NodeRecord(
                target=Target.from_json(data["target"]) if data.get("target") else None,
                facts=Facts(**data["facts"]) if data.get("facts") else None,
                choices=dict(data.get("choices") or {}),
                settled=data.get("settled") is not False,
                resuming=data.get("resuming") is True,
            )
        except (TypeError, ValueError):  # written by another version of labctl
            return NodeRecord()

    def save(self, name: str, record: NodeRecord) -> None:
        """Save the record of a node."""
        data = {
            "target": record.target.as_json() if record.target else None,
            "facts": asdict(record.facts) if record.facts else None,
            "choices": record.choices,
            "settled": record.settled,
            "resuming": record.resuming,
        }
        write(self.workspace.node(name), json.dumps(data, indent=2) + "\n")
        if record.target is not None:
            self.write_ssh_config()

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
            write(self.workspace.ssh_config, ssh_config(targets, self.workspace.known_hosts))

    def flags(self) -> dict[str, Any]:
        """Return the flags of earlier runs that still apply."""
        return _read(self.workspace.flags)

    def save_flags(self, flags: Mapping[str, Any]) -> None:
        """Save flags for later runs."""
        write(self.workspace.flags, json.dumps(dict(flags), indent=2) + "\n")

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
        """Return the provider that created the lab's machines, or an empty text."""
        try:
            return self.workspace.provider.read_text("utf-8").strip()
        except OSError:
            return ""

    def save_provider(self, provider: str) -> None:
        """Save the provider; an empty text deletes it."""
        if provider:
            write(self.workspace.provider, provider + "\n")
        else:
            self.workspace.provider.unlink(missing_ok=True)

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
            what: the command, for the message to another process.

        Raises:
            LabLocked: another process holds the lock; the message says which one and since when.
        """
        self.workspace.make()
        with contextlib.ExitStack() as stack:
            try:
                stack.enter_context(exclusive(self.workspace.lock, timeout=0))
            except TimeoutError:
                raise self._locked_by_other() from None
            stack.callback(self.workspace.holder.unlink, missing_ok=True)
            self._sign(what)
            yield

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
            hint="wait until it is done, or end that process",
        )
