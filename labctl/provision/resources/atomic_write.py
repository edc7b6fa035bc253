"""Replaces a file on a node atomically, and records that its service must load it.

File, Block and DaemonJson use the script that is built here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from labctl.provision.resources.base import PENDING, quote, shell_script


@dataclass(frozen=True, slots=True)
class LoadedBy:
    """The service that reads a file, and how it loads a new one.

    Before the file is replaced, a mark is written on the node (see `PENDING`) and the old file is
    kept beside it. The `Service` resource restarts or reloads the service, and removes the mark if
    that succeeded. So a killed run loses no restart, and a service that does not start gets its old
    file back.
    """

    service: str
    how: Literal["restart", "reload"] = "restart"

    def kept(self, path: str) -> str:
        """Return where the old file is kept until the service has loaded the new one."""
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
        path: absolute path on the node; a link is followed and stays.
        content: the whole new text.
        mode: octal mode; empty keeps the mode of the existing file, else 0644.
        owner: ``user:group``; empty keeps the owner of the existing file.
        check: sh that validates the new file, ``$new``; a non-zero exit code refuses it.
        loaded_by: the service that must load it.
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


def removing(path: str, loaded_by: LoadedBy | None = None) -> str:
    """Return sh that removes the file `path`, and records that its service must notice."""
    if loaded_by is None:
        return f"rm -f {quote(path)}"
    kept, pending = quote(loaded_by.kept(path)), quote(loaded_by.pending)
    return (
        f'set -e; mkdir -p "$(dirname {kept})"; '
        f"[ -e {kept} ] || [ -e {kept}.absent ] || cp -p {quote(path)} {kept}; "
        f": >{pending}; rm -f {quote(path)}"
    )
