"""Finds the lab at or above a folder, and never uses one that another user could have put there.

A lab's folder is code: playbooks, templates and exercises run with the rights of whoever runs
labctl. So a lab that nobody named must belong to this user, as git demands of a repository
(safe.directory). A lab that is named by ``--lab`` or ``LABCTL_LAB`` is used whoever owns it.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path

from labctl.errors import UsageError
from labctl.messages import msg
from labctl.storage import owner_name

SPEC_NAMES = ("lab.yaml", "lab.yml")
STATE_NAME = ".labctl"

_CODE = ("playbooks", "templates", "course")
_MISNAMED = frozenset(
    f"{name}{end}" for name in SPEC_NAMES for end in ("", ".txt", ".yaml", ".yml")
)
"""Wrong names of a lab.yaml, in lower case; Windows hides `.txt`."""


def search(here: Path) -> Path | None:
    """Return the folder of the nearest lab at or above a folder, None if there is none.

    Raises:
        UsageError: the nearest lab belongs to another user, or its lab.yaml is ambiguous.
    """
    for folder in (here, *here.parents):
        if spec_in(folder) is None and not has_machines(folder / STATE_NAME):
            continue
        if why := distrust(folder):
            raise UsageError(
                msg("the lab in {folder} is not used: {why}", folder=folder, why=why),
                hint=msg(
                    "a lab's files run with your rights. If you trust them, run "
                    "`labctl --lab {folder} …`; `labctl init` creates a lab in this "
                    "folder",
                    folder=folder,
                ),
            )
        return folder
    return None


def spec_in(folder: Path) -> Path | None:
    """Return the lab.yaml of a folder, None if it has none. A dangling link counts as one.

    Raises:
        UsageError: it has two of them.
    """
    found = [folder / name for name in SPEC_NAMES if os.path.lexists(folder / name)]
    if len(found) == 2:
        raise UsageError(
            msg("{folder} contains both lab.yaml and lab.yml", folder=folder),
            hint="delete one of them, or choose one with --lab",
        )
    return found[0] if found else None


def misnamed(folder: Path) -> Path | None:
    """Return a file that looks like a lab.yaml with a wrong name, such as lab.yaml.txt."""
    try:
        found = [path for path in folder.iterdir() if path.name.lower() in _MISNAMED]
    except OSError:
        return None
    return min((path for path in found if path.name not in SPEC_NAMES), default=None)


def has_machines(state: Path) -> bool:
    """Return whether a state folder has a record of a machine."""
    try:
        return (state / "provider").is_file() or bool(list((state / "nodes").glob("*.json")))
    except OSError:  # it belongs to somebody else
        return False


def distrust(folder: Path) -> str:
    """Return why a folder's code must not run unless somebody names the folder; may be empty.

    Windows has no such owners and modes; there the answer is always empty.
    """
    if not hasattr(os, "geteuid"):
        return ""
    for path in (folder, *(folder / name for name in (*SPEC_NAMES, *_CODE))):
        for follow in (False, True):  # the link itself, and what it points at
            try:
                status = path.stat(follow_symlinks=follow)
            except OSError:
                continue
            if status.st_uid not in _trusted():
                owner = owner_name(status.st_uid)
                return msg("{path} belongs to another user ({owner})", path=path, owner=owner)
    mode = folder.stat().st_mode
    if mode & stat.S_IWOTH or (mode & stat.S_ISVTX and mode & stat.S_IWGRP):
        return msg("other users may write in {folder}", folder=folder)
    return ""


def _trusted() -> set[int]:
    """Return the user ids whose labs are used: this user's, and with sudo that of who called it."""
    mine = os.geteuid()
    caller = os.environ.get("SUDO_UID", "")
    return {mine, int(caller)} if mine == 0 and caller.isdecimal() else {mine}
