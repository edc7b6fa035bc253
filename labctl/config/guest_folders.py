"""Which folders of a node a synced folder may replace.

A sync makes the node's folder equal to the one on this computer, and so deletes what was in it. In
a system folder or a home folder, that ends the node.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from labctl.config.faults import Fault
from labctl.messages import msg

if TYPE_CHECKING:
    from labctl.config.model import LabSpec

_HINT = msg("use a folder of its own, such as /srv/labs")

_SYSTEM = tuple(
    PurePosixPath(f"/{name}")
    for name in (
        *("bin", "boot", "dev", "etc", "lib", "lib64", "proc", "root", "run", "sbin", "sys"),
        *("usr", "var/cache", "var/db", "var/lib", "var/lock", "var/log", "var/run", "var/spool"),
    )
)
"""Folders of the system, with everything below them."""

_WHOLE = tuple(
    PurePosixPath(path)
    for path in ("/", "/home", "/media", "/mnt", "/opt", "/tmp", "/usr/local", "/var", "/var/tmp")
)
"""Folders that others use too. Folders below them are free."""

_OWN = tuple(PurePosixPath(path) for path in ("/opt/containerd", "/var/tmp/rehearse"))
"""Folders of Docker and labctl."""

_FREE = PurePosixPath("/usr/local")
_TAKEN = frozenset({"bin", "etc", "lib", "lib64", "libexec", "sbin", "share"})
"""Folders below /usr/local that hold programs."""


def check(spec: LabSpec) -> Iterator[Fault]:
    """Yield the faults of the guest folders of a lab."""
    places: list[tuple[int, PurePosixPath]] = []
    for index, folder in enumerate(spec.synced_folders):
        if folder.type == "disabled":
            continue
        place = PurePosixPath(folder.guest)
        places.append((index, place))
        message = _problem(place)
        if message:
            yield Fault(("synced_folders", index, "guest"), message, _HINT)
    for (_, first), (index, second) in itertools.combinations(places, 2):
        if first != second and (first in second.parents or second in first.parents):
            inner, outer = (second, first) if first in second.parents else (first, second)
            yield Fault(
                ("synced_folders", index, "guest"),
                msg("{inner} is inside {outer}, another synced folder", inner=inner, outer=outer),
                msg("put them beside each other; one sync would delete the other's files"),
            )


def _problem(place: PurePosixPath) -> str:
    """Return why a folder must not be replaced; empty if it may be."""
    around = (place, *place.parents)
    below_local = _FREE in place.parents and place.relative_to(_FREE).parts[0] not in _TAKEN
    if any(folder in around for folder in _OWN):
        return msg("{place} belongs to Docker or labctl", place=place)
    if place in _WHOLE or (not below_local and any(folder in around for folder in _SYSTEM)):
        return msg("{place} is a system folder of the node", place=place)
    if place.parts[:2] == ("/", "home"):
        if len(place.parts) == 3:
            return msg("{place} is a home folder; its .ssh would be deleted", place=place)
        if place.parts[3].startswith("."):
            return msg("{place} contains a user's settings", place=place)
    return ""
