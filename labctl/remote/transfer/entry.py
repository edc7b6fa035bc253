"""What a copy is made of: members of trees, and the two ends that give and take them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import PurePosixPath
from typing import Protocol

BLOCK = 1 << 18
"""Bytes that are read or sent at once: enough that Python's share per byte does not count."""

STAGE = ".labctl-scp."
"""How the names of temporary folders begin, here and on nodes. The maker's host name and process id
follow, with dots behind them."""

Bytes = bytes | bytearray | memoryview


class Kind(StrEnum):
    FOLDER = "folder"
    FILE = "file"
    LINK = "link"


@dataclass(frozen=True, slots=True)
class Root:
    """One thing that is copied: a file or a folder with all below it.

    Parameters:
        name: the name it keeps in the destination; empty: its content goes there without a name, as
            for ``labs/.``.
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
        link: what a link says, with "/" between names.
        same_as: (root, path) of an earlier file that this is a second name of.
        content: yields exactly `size` bytes of a file, in blocks; it can be called once, before the
            next member is asked for. A block is only good until the next one.
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
    """Gives what is copied."""

    @property
    def roots(self) -> Sequence[Root]: ...

    @property
    def size(self) -> int:
        """Bytes of all files, as far as known beforehand."""
        ...

    def members(self) -> Iterator[Entry]:
        """Yield each member, a folder before what is in it.

        Raises:
            TransferError: one cannot be read.
            RemoteError: the node broke off.
        """
        ...


def link_stays(folder_depth: int, target: str) -> bool:
    """Tell whether a link leads to a place inside its tree, whatever else the tree holds.

    It may climb only at its beginning. A ``..`` behind a name could climb from where another link
    leads to, and then the names alone would not tell where it ends.

    Parameters:
        folder_depth: folders between the tree's root and the link; 0 for a link in the root.
        target: what the link says.
    """
    if not target or target.startswith("/") or "\\" in target or target[1:2] == ":":
        return False
    parts = PurePosixPath(target).parts
    climbs = 0
    while climbs < len(parts) and parts[climbs] == "..":
        climbs += 1
    return climbs <= folder_depth and ".." not in parts[climbs:]
