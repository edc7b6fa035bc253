"""How a file is replaced on a node: whole or not at all, and never without telling its service.

File, Block and DaemonJson all end in the script that is built here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from labctl.provision.resources.base import PENDING, shell_script


@dataclass(frozen=True, slots=True)
class LoadedBy:
    """The service that reads a file, and how it takes notice of a new one.

    Before the file is replaced, a mark is left on the node (see `PENDING`) and the old file is kept
    beside it. The `Service` resource restarts or reloads, and takes the mark away only when that
    went well: a run that dies in between loses no restart, and a service that does not come back
    gets its old file.
    """

    service: str
    how: Literal["restart", "reload"] = "restart"

    def kept(self, path: str) -> str:
        """Return where the old file of `path` is kept until the service has loaded the new one."""
        return f"{PENDING}/{self.service}.old{path}"

    @property
    def pending(self) -> str:
        """The mark: a file that exists while the restart or reload is due."""
        return f"{PENDING}/{self.service}.{self.how}"


def replacing(
    path: str,
    content: str,
    *,
    mode: str = "",
    owner: str = "",
    check: str = "",
    loaded_by: LoadedBy | None = None,
    backup: str = "",
) -> str:
    """Return sh that replaces the file `path` with `content`.

    The new text goes to a temporary file in the same folder and takes the final name by one rename,
    so a full disk, a kill or a failing `check` leave the old file as it was.

    Parameters:
        path: absolute path on the node; a link is followed, so that the link itself stays.
        content: the whole new text.
        mode: octal mode; empty keeps the one of the file that stands there, else 0644.
        owner: ``user:group``; empty keeps the one of the file that stands there.
        check: sh that judges the new file, given as ``$new``; non-zero refuses it.
        loaded_by: the service that has to take notice.
        backup: path to keep a copy of the first file found there, once; empty keeps none.
    """
    return shell_script(
        __file__,
        "replace_file.sh",
        path=path,
        content=content,
        mode=mode,
        owner=owner,
        check=check,
        backup=backup,
        kept=loaded_by.kept(path) if loaded_by else "",
        pending=loaded_by.pending if loaded_by else "",
    )
