"""Atomic writes, locks between processes, and shell scripts beside modules.

The operating system releases a lock when its holder ends, even when it is killed.
"""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator
from pathlib import Path

from labctl.errors import StateError
from labctl.messages import msg


@contextlib.contextmanager
def exclusive(path: Path, timeout: float) -> Iterator[None]:
    """Hold the lock file `path`.

    Parameters:
        path: the lock file; created if missing, readable only by its owner.
        timeout: seconds to wait for another holder.

    Raises:
        TimeoutError: another process held it the whole time.
        StateError: the file system does not support locks, or access was denied.
    """
    from filelock import FileLock

    lock = FileLock(path, mode=0o600)
    try:
        lock.acquire(timeout=timeout)
    except TimeoutError:
        raise
    except (OSError, NotImplementedError) as error:
        raise StateError(
            msg("{path} cannot be locked: {error}", path=path, error=error),
            hint="check who owns it; on a network drive, set LABCTL_STATE_DIR",
        ) from error
    try:
        yield
    finally:
        lock.release()


def write(path: Path, text: str) -> None:
    """Replace the file `path` with `text` atomically, readable only by its owner.

    Raises:
        StateError: it cannot be written, for example on a full disk; the old file is unchanged.
    """
    new = ""
    try:
        descriptor, new = tempfile.mkstemp(prefix=f"{path.name}.", dir=path.parent)
        with open(descriptor, "w", encoding="utf-8", newline="\n") as file:  # noqa: PTH123
            file.write(text)
        Path(new).replace(path)
    except OSError as error:
        if new:
            with contextlib.suppress(OSError):
                Path(new).unlink()
        raise StateError(
            msg("{path} cannot be written: {reason}", path=path, reason=error.strerror),
            hint="make room on the disk or give write access, and run the same command again",
        ) from error


def read_script(module: str, name: str) -> str:
    """Return the shell script `name` that lies beside a Python module.

    Parameters:
        module: the module's ``__file__``.
        name: file name of the script, such as ``receive.sh``.
    """
    return Path(module).with_name(name).read_text("utf-8")
