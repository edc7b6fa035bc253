"""Values that win over those of lab.yaml; here, for what reads lab.yaml is slow to import."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Override:
    """A value that wins over the file's. `source` is the flag as the user knows it: ``--nodes``."""

    value: object
    source: str
