"""The log of calls: one line of JSON each, for tests to see what VirtualBox was told."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Call:
    """A call of VBoxManage that ended."""

    argv: list[str]
    exit_code: int
    seconds: float
    began: float
    error: str

    @property
    def verb(self) -> str:
        """The first word."""
        return self.argv[0] if self.argv else ""

    def pairs(self) -> dict[str, str]:
        """The options of a `modifyvm` and their values, without the leading hyphens."""
        rest = self.argv[2:]
        return {
            rest[i].lstrip("-"): rest[i + 1]
            for i in range(len(rest) - 1)
            if rest[i].startswith("-")
        }


def append(
    path: Path, argv: Sequence[str], exit_code: int, seconds: float, began: float, error: str
) -> None:
    """Add a call. One write, so that lines of processes side by side stay whole."""
    line = json.dumps(
        {
            "began": round(began, 3),
            "seconds": round(seconds, 3),
            "argv": list(argv),
            "exit_code": exit_code,
            "error": error,
        }
    )
    handle = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    try:
        os.write(handle, (line + "\n").encode())
    finally:
        os.close(handle)


def read(path: Path) -> list[Call]:
    """All calls so far, in the order in which they ended."""
    if not path.exists():
        return []
    return [Call(**json.loads(line)) for line in path.read_text("utf-8").splitlines()]
