"""A cache of a lab's nodes and how to reach them, which is all that most commands need.

Parsing and validating lab.yaml takes as long as opening a connection. So the last run's result is
cached with a digest of everything that it depends on. Commands that only reach nodes
(`exec`, `scp`, `ssh`, `status`) use the cache until the digest changes.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from labctl import __version__
from labctl.config.node import Node
from labctl.errors import StateError
from labctl.remote import ssh_aliases
from labctl.remote.target import Target
from labctl.storage import build, contents, read_json, write

if TYPE_CHECKING:
    from labctl.config.model import LabSpec

_FORM = 5
"""Format version; increase it when the cached values or their sources change."""


@dataclass(frozen=True, slots=True)
class NodeList:
    """The nodes of a lab.

    Parameters:
        lab: name of the lab.
        nodes: in their order.
        parallel: how many labctl works on at once.
        existing: how to reach existing machines; None: Vagrant creates the nodes.
        roster: the roster of a class, or its number of students; empty: a single lab.
        login: how the machines that a roster names are reached, without their hosts.
    """

    lab: str
    nodes: tuple[Node, ...]
    parallel: int
    existing: dict[str, Target] | None
    roster: str = ""
    login: Target | None = None

    @classmethod
    def of(cls, spec: LabSpec) -> NodeList:
        """Return the nodes of a lab."""
        existing = None
        if spec.machines is not None:
            listed = [
                Target(
                    machine.name,
                    machine.host,
                    port=machine.port,
                    user=machine.user or "",
                    keys=(machine.key,) if machine.key else (),
                    jump=machine.jump or "",
                    existing=True,
                )
                for machine in spec.machines
            ]
            given = [frozenset(machine.model_fields_set) for machine in spec.machines]
            existing = {target.name: target for target in ssh_aliases.resolve(listed, given)}
        nodes = spec.lab_nodes
        room = spec.class_spec
        if room is None:
            return cls(spec.name, nodes, spec.parallel, existing)
        key = (room.login.key,) if room.login.key else ()
        login = Target("", "", room.login.port, room.login.user or "", key, existing=True)
        return cls(spec.name, nodes, spec.parallel, existing, str(room.students), login)


def digest(parts: Iterable[object], files: Iterable[Path | None]) -> str:
    """Return a digest of everything that a node list depends on.

    Parameters:
        parts: values; their `repr` counts.
        files: their contents count; None, or a missing file, has none.
    """
    found = hashlib.sha256(repr((_FORM, __version__, str(Path.home()), *parts)).encode())
    for file in files:
        content = None
        if file is not None:
            with contextlib.suppress(OSError):
                content = contents(file)
        found.update(b"-" if content is None else b"%d:" % len(content) + content)
    return found.hexdigest()


def recall(path: Path, made_of: str) -> NodeList | None:
    """Return the cached node list, if its digest matches.

    Parameters:
        path: the cache file.
        made_of: the current digest.
    """
    try:
        data = read_json(path)
        if data["made_of"] != made_of:
            return None
        existing = data["existing"]
        if not isinstance(data["lab"], str) or not isinstance(data["parallel"], int):
            return None
        return NodeList(
            data["lab"],
            tuple(build(Node, node) for node in data["nodes"]),
            data["parallel"],
            None
            if existing is None
            else {name: Target.from_json(target) for name, target in existing.items()},
            data["roster"],
            Target.from_json(data["login"]) if data["login"] else None,
        )
    except (FileNotFoundError, ValueError, KeyError, TypeError, AttributeError):
        return None  # there is none yet, or another version of labctl wrote it


def keep(path: Path, made_of: str, node_list: NodeList) -> None:
    """Cache a node list for later runs; a full disk is ignored."""
    existing = node_list.existing
    data: dict[str, Any] = {
        "made_of": made_of,
        "lab": node_list.lab,
        "nodes": [asdict(node) for node in node_list.nodes],
        "parallel": node_list.parallel,
        "existing": None
        if existing is None
        else {name: target.as_json() for name, target in existing.items()},
        "roster": node_list.roster,
        "login": node_list.login.as_json() if node_list.login else None,
    }
    with contextlib.suppress(StateError):
        write(path, json.dumps(data, indent=2) + "\n")
