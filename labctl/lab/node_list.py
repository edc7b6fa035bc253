"""The nodes of a lab and how its existing machines are reached: all that most commands need.

Parsing and validating lab.yaml takes as long as opening a connection. So the last run's result is
cached, together with a digest of everything that it was made of. Commands that only reach nodes
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
from labctl.remote.target import Target
from labctl.storage import build, read_json, write

if TYPE_CHECKING:
    from labctl.config.model import LabSpec

_FORM = 2
"""Increase it with every change of what is kept, or of what it is made of."""


@dataclass(frozen=True, slots=True)
class NodeList:
    """The nodes of a lab.

    Parameters:
        lab: name of the lab.
        nodes: in their order.
        parallel: how many may be worked on at once.
        existing: how machines are reached that labctl did not make; None: Vagrant makes them.
    """

    lab: str
    nodes: tuple[Node, ...]
    parallel: int
    existing: dict[str, Target] | None

    @classmethod
    def of(cls, spec: LabSpec) -> NodeList:
        """Return the nodes of a lab."""
        existing = None
        if spec.machines is not None:
            existing = {
                machine.name: Target(
                    machine.name,
                    machine.host,
                    port=machine.port,
                    user=machine.user or "",
                    keys=(machine.key,) if machine.key else (),
                    jump=machine.jump or "",
                )
                for machine in spec.machines
            }
        return cls(spec.name, spec.lab_nodes, spec.parallel, existing)


def digest(parts: Iterable[object], files: Iterable[Path | None]) -> str:
    """Return a digest of what a node list is made of.

    Parameters:
        parts: values; what they look like counts.
        files: whose contents count; None, or one that is not there, has none.
    """
    found = hashlib.sha256(repr((_FORM, __version__, str(Path.home()), *parts)).encode())
    for file in files:
        content = None
        if file is not None:
            with contextlib.suppress(OSError):
                content = file.read_bytes()
        found.update(b"-" if content is None else b"%d:" % len(content) + content)
    return found.hexdigest()


def recall(path: Path, made_of: str) -> NodeList | None:
    """Return the node list that was kept, if it was made of the same.

    Parameters:
        path: where it is kept.
        made_of: digest of what it would be made of now.
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
        )
    except (FileNotFoundError, ValueError, KeyError, TypeError, AttributeError):
        return None  # there is none yet, or another version of labctl wrote it


def keep(path: Path, made_of: str, node_list: NodeList) -> None:
    """Keep a node list for the runs to come, where there is room."""
    existing = node_list.existing
    data: dict[str, Any] = {
        "made_of": made_of,
        "lab": node_list.lab,
        "nodes": [asdict(node) for node in node_list.nodes],
        "parallel": node_list.parallel,
        "existing": None
        if existing is None
        else {name: target.as_json() for name, target in existing.items()},
    }
    with contextlib.suppress(StateError):
        write(path, json.dumps(data, indent=2) + "\n")
