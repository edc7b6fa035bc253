"""The mark of a rehearsal: how what an exercise made is told from all else on a node.

A label says it, or where there can be none (what compose makes, a name for an image) the name.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

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
"""Where the API lists each kind. With all=1 an image's layers are there too."""
REMOVE = {
    "container": "docker rm --force --volumes",
    "network": "docker network rm",
    "overlay": "docker network rm",
    "volume": "docker volume rm --force",
    "image": "docker image rm --force",
}
"""How each kind is removed; in this order, for the later ones are used by the earlier."""


def name(token: str, word: str) -> str:
    """Return a name that bears the mark."""
    return f"rehearse-{token}-{word}"


@dataclass(frozen=True, slots=True)
class Thing:
    """Something on a node that bears a mark: its kind, what docker calls it, whose mark.

    The kind is a key of `REMOVE`; a network that spans nodes, and is seen on each, is an overlay.
    """

    kind: str
    identity: str
    token: str


def marked(kind: str, entry: Mapping[str, Any]) -> Iterator[Thing]:
    """Yield what of an entry of one of the API's lists bears a mark.

    A marked name is not the image: that may be another's, which an exercise gave one more name.
    """
    if kind == "network" and entry["Scope"] != "local":
        kind = "overlay"
    names = entry.get("RepoTags") or entry.get("Names") or [entry.get("Name", "")]
    by_name = [(mark.group(1), name) for name in names if (mark := _NAME.search(name))]
    token = (entry.get("Labels") or {}).get(LABEL, "")
    if kind == "image":
        yield from (Thing(kind, name, marked_by) for marked_by, name in by_name)
    elif by_name and not token:
        token = by_name[0][0]
    if TOKEN.fullmatch(token):
        yield Thing(kind, entry.get("Id") or entry["Name"], token)


def things(run: Callable[..., Any]) -> list[Thing]:
    """Return all on a node that bears a mark, whosever.

    Parameters:
        run: see `ask`.

    Raises:
        AssertionError: the daemon does not answer.
    """
    found = []
    answers = ask(run, *(("GET", path, None) for _, path in _LISTS))
    for (kind, _), answer in zip(_LISTS, answers, strict=True):
        entries = answer.json()
        if kind == "volume":
            entries = entries["Volumes"] or ()
        found += [thing for entry in entries for thing in marked(kind, entry)]
    return found
