"""The log of connections: paramiko's own words, which are for nobody's terminal."""

from __future__ import annotations

import io
import logging
import logging.handlers
from pathlib import Path

from labctl import storage

_MOST = 1 << 20
"""Bytes of a log; a node decides how often something goes wrong."""

_LOGGER = logging.getLogger("paramiko")


def log_to(path: Path) -> None:
    """Append what paramiko reports to a file from now on; the file of an earlier call is left."""
    for handler in list(_LOGGER.handlers):
        if isinstance(handler, _Log):
            if handler.baseFilename == str(path.absolute()):
                return
            _LOGGER.removeHandler(handler)
            handler.close()
    _LOGGER.addHandler(_Log(path))


class _Log(logging.handlers.RotatingFileHandler):
    """A log in the lab's state folder. One that cannot be written is no reason to stop."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, maxBytes=_MOST, backupCount=1, delay=True)
        self.setLevel(logging.WARNING)
        self.setFormatter(logging.Formatter("%(asctime)s %(threadName)s %(message)s"))

    def _open(self) -> io.TextIOWrapper:
        return open(
            self.baseFilename, "a", encoding="utf-8", errors="replace", opener=storage.opener
        )

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802
        pass
