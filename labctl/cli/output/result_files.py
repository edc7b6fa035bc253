"""Files that the user names for a result: checked before the work, written after it."""

from __future__ import annotations

from pathlib import Path

from labctl.errors import StateError, UsageError
from labctl.messages import msg
from labctl.storage import write


def expect(*paths: Path | None) -> None:
    """Check that the folders of these files exist, before the work that fills the files.

    Raises:
        UsageError: a folder does not exist.
    """
    for path in paths:
        if path is not None and not path.absolute().parent.is_dir():
            raise UsageError(
                msg("{path} cannot be written: its folder does not exist", path=path),
                hint="create the folder, or choose another file",
            )


def put(path: Path, text: str) -> None:
    """Write a file atomically. Anything but a file, such as /dev/stdout, is written to directly.

    Raises:
        StateError: it cannot be written.
    """
    if not path.exists() or path.is_file():
        write(path, text)
        return
    try:
        path.write_text(text, "utf-8")
    except OSError as error:
        raise StateError(
            msg("{path} cannot be written: {reason}", path=path, reason=error.strerror),
            hint="choose another file",
        ) from error
