"""When checkpoints were saved. Vagrant knows only their names."""

from __future__ import annotations

import json
import threading
import time
from pathlib import Path
from typing import Any

from labctl.storage import read_json, write

_guard = threading.Lock()


class CheckpointRecord:
    """The checkpoints that labctl saved: for each node, name and time.

    A checkpoint that was made by Vagrant itself is not in it.

    Parameters:
        path: the file.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def names(self) -> list[str]:
        """Return the names of all checkpoints, sorted."""
        return sorted({name for times in self._read().values() for name in times})

    def saved(self, node: str, name: str) -> float | None:
        """Return when a checkpoint was saved, in seconds since 1970; None if unknown."""
        found = self._read().get(node, {}).get(name)
        return float(found) if isinstance(found, int | float) else None

    def add(self, node: str, name: str) -> None:
        """Record that a checkpoint was saved now."""
        with _guard:
            data = self._read()
            data.setdefault(node, {})[name] = round(time.time(), 3)
            self._write(data)

    def remove(self, node: str, name: str | None = None) -> None:
        """Forget a checkpoint, or all of a node."""
        with _guard:
            data = self._read()
            if name is not None and name in data.get(node, {}):
                del data[node][name]
                self._write(data)
            elif name is None and data.pop(node, None) is not None:
                self._write(data)

    def _read(self) -> dict[str, dict[str, Any]]:
        try:
            data = read_json(self._path)
        except (FileNotFoundError, ValueError):
            return {}
        if not isinstance(data, dict):
            return {}
        return {node: times for node, times in data.items() if isinstance(times, dict)}

    def _write(self, data: dict[str, dict[str, Any]]) -> None:
        write(self._path, json.dumps(data, indent=2) + "\n")
