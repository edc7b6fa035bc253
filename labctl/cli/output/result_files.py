"""Files that the user names for a result: looked at before the work, written after it."""

from __future__ import annotations

from pathlib import Path

from labctl.errors import StateError, UsageError
from labctl.storage import write


def expect(*paths: Path | None) -> None:
    """See that files can be made where they are wanted, before the work that fills them.

    Raises:
        UsageError: there is no such folder.
    """
    for path in paths:
        if path is not None and not path.absolute().parent.is_dir():
            raise UsageError(
                f"{path} cannot be written: its folder is not there",
                hint="make the folder, or name another file",
            )


def put(path: Path, text: str) -> None:
    """Write a file whole or not at all; what is no file, as /dev/stdout, takes the text.

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
            f"{path} cannot be written: {error.strerror}", hint="name another file"
        ) from error
