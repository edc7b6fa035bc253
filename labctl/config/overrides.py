"""Values that override lab.yaml; a module of its own, because `load` is slow to import."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Override:
    """A value that overrides the file's. `source` is the flag as the user types it: ``--nodes``."""

    value: object
    source: str
