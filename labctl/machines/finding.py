"""A finding of `labctl doctor`, as a value."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from enum import StrEnum


class Level(StrEnum):
    OK = "ok"
    WARN = "warn"
    FAIL = "fail"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was examined.

    Parameters:
        level: fail: the lab will not work; warn: it may not; skipped: the thing could not be
            examined, and `found` has the reason.
        what: the thing, in two or three words.
        found: the result.
        remedy: how to fix it; empty if nothing is wrong.
        node: the node that it is about; empty: this computer.
    """

    level: Level
    what: str
    found: str
    remedy: str = ""
    node: str = ""

    def as_json(self) -> dict[str, str]:
        """Return it as plain values."""
        return {key: str(value) for key, value in asdict(self).items()}


def healthy(findings: Iterable[Finding]) -> bool:
    """Return True if nothing failed."""
    return all(finding.level is not Level.FAIL for finding in findings)


def version(text: str | None) -> tuple[int, ...]:
    """Return the first version number in a text; empty if there is none."""
    found = re.search(r"(\d+)\.(\d+)(?:\.(\d+))?", text or "")
    return tuple(int(part) for part in found.groups() if part) if found else ()
