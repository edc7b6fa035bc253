"""The containers, networks, volumes and images that a rehearsal created on a node.

Docker calls all of these objects. A rehearsal labels its objects ``labctl.rehearsal=TOKEN``. Where
no label is possible (what compose creates, the tag of an image), the object has a name that starts
with ``rehearse-TOKEN-``. So a rehearsal finds its own objects among those of students.
"""

from __future__ import annotations

import re
import shlex
import time
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from labctl.checks.exercises.node_commands import NodeCommands
from labctl.messages import msg
from labctl.remote.docker_api import ask

LABEL = "labctl.rehearsal"
TOKEN = re.compile(r"[0-9a-f]{8}")
_NAME = re.compile(r"(?:^|/)rehearse-([0-9a-f]{8})-")
_LISTS = (
    ("container", "/containers/json?all=1"),
    ("network", "/networks"),
    ("volume", "/volumes"),
    ("image", "/images/json?all=1"),
)
"""The API's list of each kind. With all=1, the list of images includes the layers of builds."""
_REMOVE = {
    "container": "docker rm --force --volumes",
    "network": "docker network rm",
    "overlay": "docker network rm",
    "volume": "docker volume rm --force",
    "image": "docker image rm --force",
}
"""The command that removes each kind. An object can use only objects of the kinds below its own."""
_PATIENCE = 20.0
"""Seconds in which removing is repeated."""


@dataclass(frozen=True, slots=True)
class DockerObject:
    """An object on a node that some rehearsal created.

    Parameters:
        kind: container, network, volume, image, or overlay: a network that spans nodes, which
            every one of them lists.
        identity: its ID or name.
        token: the token of the rehearsal.
    """

    kind: str
    identity: str
    token: str


def label(token: str) -> str:
    """Return the label for the objects of a rehearsal."""
    return f"{LABEL}={token}"


def name(token: str, word: str) -> str:
    """Return the name for an object of a rehearsal."""
    return f"rehearse-{token}-{word}"


def find(node: NodeCommands) -> list[DockerObject]:
    """Return the objects of all rehearsals on a node.

    Raises:
        AssertionError: the daemon does not answer.
    """
    found = []
    answers = ask(node.run, *(("GET", path, None) for _, path in _LISTS))
    for (kind, _), answer in zip(_LISTS, answers, strict=True):
        entries = answer.json()
        if kind == "volume":
            entries = entries["Volumes"] or ()
        found += [one for entry in entries for one in _labelled(kind, entry)]
    return found


def remove(node: NodeCommands, token: str, kinds: Collection[str] = tuple(_REMOVE)) -> None:
    """Remove the objects of one rehearsal from a node.

    Raises:
        AssertionError: some could not be removed; the message names them.
    """
    # Repeated, because an image goes only after its children, and a network of a swarm a moment
    # after its last container.
    end = time.monotonic() + _PATIENCE
    while True:
        objects = [o for o in find(node) if o.token == token and o.kind in kinds]
        errors = ""
        for kind, command in _REMOVE.items():
            names = [shlex.quote(o.identity) for o in objects if o.kind == kind]
            if names:
                result = node.run(f"{command} {' '.join(names)}", ok=False)
                errors += result.stderr if result.rc else ""
        if not errors:
            return
        if time.monotonic() > end:
            raise AssertionError(
                msg(
                    "objects of the exercise on {node} cannot be removed: {errors}",
                    node=node.node,
                    errors=errors.strip()[-600:],
                )
            )
        time.sleep(0.5)


def _labelled(kind: str, entry: Mapping[str, Any]) -> Iterator[DockerObject]:
    """Yield the objects in an entry of one of the API's lists that a rehearsal made.

    Only the tag of an image is the rehearsal's, because the exercise may have tagged an image of
    somebody else.
    """
    if kind == "network" and entry["Scope"] != "local":
        kind = "overlay"
    names = entry.get("RepoTags") or entry.get("Names") or [entry.get("Name", "")]
    by_name = [(match.group(1), name) for name in names if (match := _NAME.search(name))]
    token = (entry.get("Labels") or {}).get(LABEL, "")
    if kind == "image":
        yield from (DockerObject(kind, tag, owner) for owner, tag in by_name)
    elif by_name and not token:
        token = by_name[0][0]
    if TOKEN.fullmatch(token):
        yield DockerObject(kind, entry.get("Id") or entry["Name"], token)
