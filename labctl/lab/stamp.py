"""The stamp of a state folder: proof that this user's labctl made it, on this computer.

A state folder names programs that labctl runs: a Vagrantfile, a proxy command, an ssh_config. A
cloned or unpacked folder may bring one. So labctl writes a random id into each state folder that it
makes, and keeps that id with the folder's path in the user's own folder. Only a state folder whose
id and path are both known there is used. A folder that was moved or restored elsewhere is accepted
by `labctl trust`.
"""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import shlex
import time
from pathlib import Path

from labctl import storage
from labctl.errors import StateError
from labctl.lab import git_index, user_folder
from labctl.messages import msg

_NAME = "id"
_WHOLE = re.compile(r"[0-9a-f]{32}\n")
_EMPTY = ("logs", "nodes")
"""Folders that an older or killed labctl may have left empty."""

_PATIENCE = 1.0
"""Seconds to wait for another labctl that has created the id and not written it yet."""


def check(state: Path) -> None:
    """Check that a state folder may be used; one that is missing or empty may.

    Raises:
        StateError: this user's labctl did not make it here, it is in a git repository, or
            something in it is a link or belongs to another user.
    """
    if not os.path.lexists(state):
        return
    _check_entries(state)
    if _is_empty(state):
        return
    made_at = origin(state)
    if made_at is None:
        raise StateError(
            msg("{state} was not made by your labctl on this computer", state=state),
            hint=msg(
                "it may have come with the folder: delete it with `rm -r {path}`. "
                "If you restored it yourself, run `labctl trust`",
                path=shlex.quote(str(state)),
            ),
        )
    if not _same(made_at, state):
        raise StateError(
            msg("{state} was made as {origin}", state=state, origin=made_at),
            hint=msg(
                "if you moved the lab, run `labctl trust`. If not, delete it with `rm -r {path}`",
                path=shlex.quote(str(state)),
            ),
        )
    _refuse_tracked(state)


def is_stamped(state: Path) -> bool:
    """Return True if a state folder has an id; `check` compares it."""
    return (state / _NAME).is_file()


def origin(state: Path) -> Path | None:
    """Return where this user's labctl made a state folder, None if it did not make it."""
    token = _token(state)
    if not token:
        return None
    try:
        return Path(storage.read(_stamps() / token))
    except (FileNotFoundError, ValueError):
        return None


def claim(state: Path) -> None:
    """Stamp a new state folder; an existing one is checked.

    Raises:
        StateError: it may not be used, or the stamp cannot be written.
    """
    check(state)
    if not is_stamped(state):
        _write(state)


def renew(state: Path) -> None:
    """Accept an existing state folder, whatever its origin, and stamp it.

    Raises:
        StateError: something in it is a link or belongs to another user, it is in a git
            repository, or the stamp cannot be written.
    """
    _check_entries(state)
    _refuse_tracked(state)
    (state / _NAME).unlink(missing_ok=True)
    _write(state)


def _write(state: Path) -> None:
    folder = _stamps()
    user_folder.make(folder)
    token = secrets.token_hex(16)
    # The stamp comes first, so that nobody finds an id without one.
    storage.write(folder / token, str(state))
    try:
        with open(state / _NAME, "x", encoding="ascii", opener=storage.opener) as file:
            file.write(f"{token}\n")
    except FileExistsError:  # another labctl was faster
        (folder / token).unlink(missing_ok=True)
        check(state)
        return
    except OSError as error:
        raise StateError(
            msg("{path} cannot be written: {reason}", path=state / _NAME, reason=error.strerror),
            hint="free disk space or grant write access, then run the same command again",
        ) from error
    # After the id, because a folder with files and no id is refused. Nobody commits the lab's keys
    # and passwords by mistake.
    storage.write(state / ".gitignore", "*\n")
    # Only the one that created the id removes others: the rest may still be looking for theirs.
    for old in folder.iterdir():  # of an earlier state folder in the same place
        with contextlib.suppress(OSError, ValueError, StateError):
            # A name with a dot is a file that another labctl is still writing.
            if old.name != token and "." not in old.name and storage.read(old) == str(state):
                old.unlink()


def _token(state: Path) -> str:
    """Return the id in a state folder; empty if it has none."""
    end = time.monotonic() + _PATIENCE
    while True:
        try:
            text = storage.read(state / _NAME)
        except (FileNotFoundError, ValueError):
            return ""
        if _WHOLE.fullmatch(text):
            return text.strip()
        if text or time.monotonic() > end:
            return ""
        time.sleep(0.02)


def _stamps() -> Path:
    return user_folder.user_folder() / "states"


def _same(made_at: Path, state: Path) -> bool:
    """Return whether both are one folder, whatever links or letter case lead there."""
    try:
        return made_at.samefile(state)
    except OSError:
        return False


def _check_entries(state: Path) -> None:
    try:
        storage.check_own(state)
        if not state.is_dir():
            raise StateError(
                msg("{state} is not a folder", state=state),
                hint="delete it, or set another folder with LABCTL_STATE_DIR",
            )
        for entry in state.iterdir():
            with contextlib.suppress(FileNotFoundError):  # another labctl removed it
                storage.check_own(entry)
    except OSError as error:
        raise StateError(
            msg("{path} cannot be read: {reason}", path=state, reason=error.strerror),
            hint="grant yourself read access; another user's labctl may have created it",
        ) from error


def _is_empty(state: Path) -> bool:
    names = {entry.name for entry in state.iterdir()}
    return names <= set(_EMPTY) and not any(
        list((state / name).iterdir()) for name in names if (state / name).is_dir()
    )


def _refuse_tracked(state: Path) -> None:
    """Refuse a state folder with files in a git repository, because each pull may change them.

    Raises:
        StateError: git's index lists a file of it.
    """
    folder = git_index.repository_of(state)
    if folder is not None:
        raise StateError(
            msg("{state} is in the git repository {folder}", state=state, folder=folder),
            hint=msg(
                "git can replace labctl's files: delete the folder if it is not yours, "
                "or run `git rm -r --cached {path}`",
                path=shlex.quote(str(state)),
            ),
        )
