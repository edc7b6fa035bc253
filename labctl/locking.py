"""Locks between processes, which the operating system lets go when their holder ends in any way."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from labctl.errors import StateError


@contextlib.contextmanager
def exclusive(path: Path, timeout: float) -> Iterator[None]:
    """Hold the lock file `path`.

    Parameters:
        path: the lock file; it is made where it is missing, readable by its owner alone.
        timeout: seconds to wait for another holder.

    Raises:
        TimeoutError: another process held it all the time.
        StateError: the file system cannot lock it, or not for this user.
    """
    from filelock import FileLock

    lock = FileLock(path, mode=0o600)
    try:
        lock.acquire(timeout=timeout)
    except TimeoutError:
        raise
    except (OSError, NotImplementedError) as error:
        raise StateError(
            f"{path} cannot be locked: {error}",
            hint="does it belong to another user? a network drive may need LABCTL_STATE_DIR",
        ) from error
    try:
        yield
    finally:
        lock.release()
