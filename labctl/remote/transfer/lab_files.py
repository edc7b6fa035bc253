"""The files of a lab, which no copy from a node may write.

Whoever runs labctl in a folder runs the code there. A node could otherwise put code there: a copy
such as ``labctl scp 'node:work/*' .`` takes whatever names the node sends.
"""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path

MAKE_A_LAB = frozenset({"lab.yaml", "lab.yml", ".labctl"})
"""Names that make a folder a lab. A copy writes them nowhere."""

OF_A_LAB = frozenset({"playbooks", "course", "templates"})
"""Folders with the code of a lab. Other folders may have folders with these names."""

_MOST_KNOWN = 4096
"""Folders of which is remembered whether they are labs."""

_Names = tuple[str, ...]


class LabFiles:
    """Finds the files below a folder that belong to a lab.

    Parameters:
        at: the folder into which something is copied.
        labs: folders that are labs, whatever is in them.
        more: further files and folders of a lab.
    """

    def __init__(self, at: Path, labs: Iterable[Path], more: Iterable[Path]) -> None:
        self._at = _names(at)
        self._folder = at.resolve()
        self._labs = {_names(lab) for lab in labs}
        self._more = {_names(path) for path in more}
        self._known: dict[Path, bool] = {}

    def inside(self) -> bool:
        """Return whether the folder itself belongs to a lab."""
        for length, name in enumerate(self._at):
            if self._at[: length + 1] in self._more or name == ".labctl":
                return True
            if name in OF_A_LAB and length:
                folder = Path(*self._folder.parts[:length])
                if self._is_lab(folder, self._at[:length]):
                    return True
        return False

    def includes(self, path: _Names) -> bool:
        """Return whether something belongs to a lab.

        Parameters:
            path: its names below the folder.
        """
        plain = (*self._at, *map(_plain, path))
        if plain[-1] in MAKE_A_LAB or plain in self._more:
            return True
        folder = self._folder.joinpath(*path[:-1])
        if not self._is_lab(folder, plain[:-1]):
            return False
        return plain[-1] in OF_A_LAB or _is_alias(folder / path[-1])

    def _is_lab(self, folder: Path, plain: _Names) -> bool:
        """Return whether labctl takes a folder for a lab."""
        if folder not in self._known:
            if len(self._known) >= _MOST_KNOWN:
                self._known.clear()
            self._known[folder] = plain in self._labs or any(
                os.path.lexists(folder / name) for name in MAKE_A_LAB
            )
        return self._known[folder]


def _is_alias(path: Path) -> bool:
    """Return whether a name means a lab's file, as PLAYBO~1 does on Windows."""
    try:
        found = path.stat()
    except OSError:
        return False
    for name in (*MAKE_A_LAB, *OF_A_LAB):
        try:
            if os.path.samestat(found, (path.parent / name).stat()):
                return True
        except OSError:
            continue
    return False


def _names(path: Path) -> _Names:
    return tuple(map(_plain, path.resolve().parts))


@lru_cache(4096)
def _plain(name: str) -> str:
    """Return what every name that a file system may take for this one has in common.

    Windows ignores case and final dots and blanks, and ``:`` begins the name of a stream. macOS
    ignores case, and on older disks invisible characters as well.
    """
    if not name.isascii():
        name = unicodedata.normalize("NFKC", name)
        name = "".join(char for char in name if unicodedata.category(char) != "Cf")
    return name.casefold().partition(":")[0].rstrip(". ")
