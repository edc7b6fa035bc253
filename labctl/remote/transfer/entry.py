"""The entries of a copy, and the interface of a source."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import PurePosixPath
from typing import Protocol

BLOCK = 1 << 18
"""Bytes that are read or sent at once; larger blocks are no faster."""

STAGE = ".labctl-scp."
"""How the names of temporary folders begin, here and on nodes. The creator's host name and process
id follow, each followed by a dot."""

MAX_DEPTH = 256
"""Folders inside each other that a copy may have. A trap has thousands of them; trees that people
make have fewer than fifty."""

Bytes = bytes | bytearray | memoryview


class Kind(StrEnum):
    FOLDER = "folder"
    FILE = "file"
    LINK = "link"


@dataclass(frozen=True, slots=True)
class Root:
    """One thing that is copied: a file or a folder with all below it.

    Parameters:
        name: its name in the destination; empty: only its content is copied, as for ``labs/.``.
        kind: folder or file.
    """

    name: str
    kind: Kind


@dataclass(frozen=True, slots=True)
class Entry:
    """A file, folder or symbolic link below a root; the root itself has the empty path.

    Parameters:
        root: index of its root.
        path: names from the root down.
        kind: what it is.
        mode: permission bits.
        mtime: modification time, in whole seconds since 1970.
        size: of a file, in bytes.
        link: the target of a link, with "/" between names.
        same_as: (root, path) of an earlier file of which this is a hard link.
        content: yields exactly `size` bytes of a file, in blocks. It can be called once, before the
            next entry is read. A block is only valid until the next one.
    """

    root: int
    path: tuple[str, ...]
    kind: Kind
    mode: int
    mtime: int
    size: int = 0
    link: str = ""
    same_as: tuple[int, tuple[str, ...]] | None = None
    content: Callable[[], Iterator[Bytes]] = lambda: iter(())


class EntrySource(Protocol):
    """Where a copy comes from."""

    @property
    def roots(self) -> Sequence[Root]: ...

    @property
    def size(self) -> int:
        """Bytes of all files, as far as known in advance."""
        ...

    def members(self) -> Iterator[Entry]:
        """Yield each entry, a folder before its content.

        Raises:
            TransferError: one cannot be read.
            RemoteError: the node broke off.
        """
        ...


def link_stays(folder_depth: int, target: str) -> bool:
    """Return True if a link stays inside its tree, whatever else the tree contains.

    ``..`` is allowed only at the beginning. After a name it could climb from the target of another
    link, and then the names alone would not show where it leads.

    Parameters:
        folder_depth: folders between the tree's root and the link; 0 for a link in the root.
        target: the link's target.
    """
    if not target or target.startswith("/") or "\\" in target or target[1:2] == ":":
        return False
    parts = PurePosixPath(target).parts
    climbs = 0
    while climbs < len(parts) and parts[climbs] == "..":
        climbs += 1
    return climbs <= folder_depth and ".." not in parts[climbs:]
