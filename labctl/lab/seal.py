"""Seal a copy of a node: remove what makes it a node of one lab, before it becomes a box.

What has to go is written beside what brought it: a folder of a playbook may have a ``seal.sh``. All
of labctl's own run, whether the lab has the playbook or had it once, and all of the lab's folder
``playbooks``. labctl's folder ``seal`` has no play; its ``seal.sh`` cleans the system and runs
last, before its ``finish.sh`` overwrites free space and powers the copy off.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from pathlib import Path

from labctl.config.playbook_modules import folders_of, playbook_name
from labctl.errors import MachineError, RemoteError
from labctl.messages import msg
from labctl.provision.resources.base import quote
from labctl.remote.connection import Connection

FILE, LAST = "seal.sh", "seal"
FINISH = "finish.sh"

DAEMON = ("/etc/docker/daemon.json", "/var/lib/labctl/daemon-keys.json")
"""The engine's settings, and those of them that labctl wrote."""

_OF_THE_LAB = (
    *("registry-mirrors", "insecure-registries"),
    *("cluster-store", "cluster-advertise", "cluster-store-opts", "proxies"),
)
"""Keys of daemon.json with machines of the lab, what was measured in it, and passwords."""


def scripts(folders: Iterable[Path]) -> dict[str, Path]:
    """Return the scripts that seal a node, by the name of their playbook, in the order of work.

    Parameters:
        folders: where playbooks are, the lab's own first. The first one's file wins.
    """
    folders = tuple(folders)
    names = {
        playbook_name(file.parent.name) for folder in folders for file in folder.glob(f"*/{FILE}")
    }
    return {
        name: _file(name, FILE, folders) for name in sorted(names, key=lambda n: (n == LAST, n))
    }


def script(folders: Iterable[Path], *, user: str, keep: bool, daemon: tuple[str, str]) -> str:
    """Return the script that seals a node and powers it off; it prints ``sealed`` when it is done.

    Parameters:
        folders: where playbooks are.
        user: who logs in.
        keep: keep containers, volumes and networks.
        daemon: what remains of the files of `DAEMON`; empty: nothing.
    """
    folders = tuple(folders)
    values = {"user": user, "keep": "1" if keep else "", "daemon": daemon[0], "owned": daemon[1]}
    parts = [f"{name}={quote(value)}" for name, value in values.items()]
    for name, file in scripts(folders).items():
        # After `||`, the shell would ignore set -e in the parentheses.
        parts += [
            f"echo sealing {name}",
            f"(\nset -e\n{file.read_text('utf-8')}\n) </dev/null",
            f"code=$?; [ $code = 0 ] || {{ echo {quote(str(file))} failed >&2; exit 1; }}",
        ]
    return "\n".join([*parts, _file(LAST, FINISH, folders).read_text("utf-8")])


def seal(
    connection: Connection,
    folders: Iterable[Path],
    *,
    keep: bool,
    progress: Callable[[str], object],
) -> None:
    """Seal the copy behind a connection. In the end it powers itself off.

    Parameters:
        connection: to the copy.
        folders: where playbooks are.
        keep: keep containers, volumes and networks.
        progress: takes each line that the scripts print.

    Raises:
        MachineError: a script failed; the copy must not become a box.
    """
    daemon = tuple(without_lab(_read(connection, path)) for path in DAEMON)
    text = script(folders, user=connection.target.user, keep=keep, daemon=(daemon[0], daemon[1]))
    said: list[str] = []
    errors: list[bytes] = []
    rest = b""

    def out(data: bytes) -> None:
        nonlocal rest
        *lines, rest = (rest + data).split(b"\n")
        for line in lines:
            said.append(line.decode("utf-8", "replace"))
            progress(said[-1])

    try:
        connection.stream(text, out, errors.append, root=True)
    except RemoteError:  # it has powered off
        if "sealed" not in said:
            raise
    if "sealed" not in said:
        raise MachineError(
            msg("the copy could not be sealed"),
            node=connection.name,
            details=b"".join(errors).decode("utf-8", "replace")[-2000:],
            hint=msg("fix the script that is named above; the node is unchanged"),
        )


def without_lab(text: str) -> str:
    """Return a daemon.json without what belongs to one lab; empty if nothing is left of it."""
    try:
        keys = json.loads(text)
    except ValueError:
        return ""
    if not isinstance(keys, dict):
        return ""
    kept = {key: value for key, value in keys.items() if key not in _OF_THE_LAB}
    return json.dumps(kept, indent=2, sort_keys=True, ensure_ascii=False) if kept else ""


def _read(connection: Connection, path: str) -> str:
    return connection.run(f"cat {path} 2>/dev/null || :").decode("utf-8", "replace")


def _file(name: str, file: str, folders: Iterable[Path]) -> Path:
    """Return a file of a playbook's folder, the lab's own before labctl's."""
    return next(folder / file for folder in folders_of(name, folders) if (folder / file).is_file())
