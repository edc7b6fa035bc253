"""What a lab remembers between runs, and the lock that keeps two runs apart.

Every file is replaced whole, so that a run that is killed, or a full disk, leaves the old one.
"""

from __future__ import annotations

import contextlib
import datetime
import getpass
import json
import os
import socket
import threading
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from labctl.errors import LabLocked, StateError
from labctl.lab.workspace import Workspace
from labctl.provision.facts import Facts
from labctl.remote.target import Target
from labctl.storage import exclusive, write

IDENTITY = ("name", "network")
"""Keys of lab.yaml that must stay as they are while there are machines."""


def _read(path: Path) -> dict[str, Any]:
    """Read a mapping; what is missing or damaged counts as empty, for it can be had again."""
    try:
        data = json.loads(path.read_text("utf-8"))
    except (FileNotFoundError, ValueError):
        return {}
    except OSError as error:
        raise StateError(
            f"{path} cannot be read: {error.strerror}",
            hint="give yourself read access; a labctl that ran as another user may have made it",
        ) from error
    return data if isinstance(data, dict) else {}


def _user() -> str:
    """Return who runs this; a container's user may have no name."""
    try:
        return getpass.getuser()
    except (KeyError, OSError, ImportError):
        return "somebody"


@dataclass(slots=True)
class NodeRecord:
    """What is known of a node.

    Parameters:
        target: how it is reached; None before it was first brought up.
        facts: what it is; None before it was first spoken with.
        choices: answers that were measured on it.
        settled: its last start was seen to end well. Where it was not, as when labctl was killed,
            what Vagrant does after a boot (network, folders, key) may be missing.
        resuming: it was let go on from a suspension, which was not seen to end. Nothing is missing
            on it then but the time, and what it has in memory is to be kept.
    """

    target: Target | None = None
    facts: Facts | None = None
    choices: dict[str, Any] = field(default_factory=dict)
    settled: bool = True
    resuming: bool = False


class State:
    """The memory of one lab.

    Parameters:
        workspace: where it is kept.
    """

    def __init__(self, workspace: Workspace) -> None:
        self.workspace = workspace
        self._guard = threading.Lock()

    def node(self, name: str) -> NodeRecord:
        """Return what is known of a node; an empty record where nothing is."""
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
        """Keep what is known of a node."""
        data = {
            "target": record.target.as_json() if record.target else None,
            "facts": asdict(record.facts) if record.facts else None,
            "choices": record.choices,
            "settled": record.settled,
            "resuming": record.resuming,
        }
        write(self.workspace.node(name), json.dumps(data, indent=2) + "\n")
        if record.target is not None:
            self._write_ssh_config()

    def forget(self, name: str) -> None:
        """Drop what is known of a node, because it is gone."""
        self.workspace.node(name).unlink(missing_ok=True)
        self._write_ssh_config()

    def known_nodes(self) -> list[str]:
        """Return the names of all nodes that are remembered, in the order of their names."""
        return sorted(path.stem for path in (self.workspace.state / "nodes").glob("*.json"))

    def _write_ssh_config(self) -> None:
        """Write the ssh_config of all nodes, which plain ssh and scp can use with -F."""
        with self._guard:
            targets = [self.node(name).target for name in self.known_nodes()]
            entries = [target.config(self.workspace.known_hosts) for target in targets if target]
            write(self.workspace.ssh_config, "\n".join(entries))

    def flags(self) -> dict[str, Any]:
        """Return the flags of earlier runs that still stand."""
        return _read(self.workspace.flags)

    def save_flags(self, flags: Mapping[str, Any]) -> None:
        """Keep flags for the runs that follow."""
        write(self.workspace.flags, json.dumps(dict(flags), indent=2) + "\n")

    def keep_identity(self, name: str, network: str) -> None:
        """Keep what the machines are called and where they are, as long as there are any.

        Whether somebody said it or labctl chose it: another lab, or another name of the folder,
        must not change it below machines that are there.
        """
        flags = self.flags()
        kept = flags | {"name": name, "network": network}
        if kept != flags:
            self.save_flags(kept)

    def forget_identity(self) -> None:
        """Forget the provider, the name and the network, for there are no machines any more."""
        self.save_provider("")
        flags = self.flags()
        kept = {key: value for key, value in flags.items() if key not in IDENTITY}
        if kept != flags:
            self.save_flags(kept)

    def provider(self) -> str:
        """Return the provider that the lab's machines were made with, or an empty text."""
        try:
            return self.workspace.provider.read_text("utf-8").strip()
        except OSError:
            return ""

    def save_provider(self, provider: str) -> None:
        """Remember the provider; an empty one forgets it."""
        if provider:
            write(self.workspace.provider, provider + "\n")
        else:
            self.workspace.provider.unlink(missing_ok=True)

    def busy(self) -> bool:
        """Tell whether another labctl holds the lab's lock."""
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

        The operating system lets it go when the process ends in whatever way, so a lock of a dead
        process holds nobody up.

        Parameters:
            what: the command, for the message that another one gets.

        Raises:
            LabLocked: another labctl holds it; the message says which and since when.
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
        """Write who holds the lock, as well as it can be: `destroy` makes room on a full disk."""
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
        who = "another labctl"
        if holder:
            who = "`labctl {command}` of {user} on {host} (process {pid}), since {since}".format(
                **{key: holder.get(key, "?") for key in ("command", "user", "host", "pid", "since")}
            )
        return LabLocked(
            f"this lab is in use by {who}", hint="wait until it is done, or end that process"
        )
