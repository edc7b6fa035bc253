"""The user's own folder of labctl: the index of labs, and the stamps of state folders.

It is the user's state folder of the operating system, or the folder that ``LABCTL_HOME`` names.
"""

from __future__ import annotations

import os
from pathlib import Path

from labctl.errors import StateError
from labctl.messages import msg
from labctl.storage import stranger


def user_folder() -> Path:
    """Return the folder; it may not exist yet."""
    chosen = os.environ.get("LABCTL_HOME")
    if chosen:
        return Path(os.path.expanduser(chosen))  # noqa: PTH111
    from platformdirs import user_state_path

    return user_state_path("labctl", appauthor=False)


def make(folder: Path) -> None:
    """Create a folder in it, or the folder itself, readable only by its owner.

    Raises:
        StateError: it cannot be created, or belongs to another user.
    """
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        owner = stranger(folder.stat())
    except OSError as error:
        raise StateError(
            msg("{parent} cannot be created: {reason}", parent=folder, reason=error.strerror),
            hint="grant write access, or set another folder with LABCTL_HOME",
        ) from error
    if owner:
        raise StateError(
            msg("{path} belongs to another user ({owner})", path=folder, owner=owner),
            hint="run labctl as that user, or set a folder of your own with LABCTL_HOME",
        )
