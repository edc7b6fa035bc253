"""The rows of the table, in the order in which they are run."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from typing import cast

from benchmarks.errors import BenchError
from benchmarks.harness import Row

_MODULES = (
    "start_up",
    "second_provision",
    "first_provision",
    "growing",
    "many",
    "verify",
    "scp",
    "scp_delayed",
    "status",
    "boot",
    "up",
)


def pick(names: Sequence[str]) -> list[Row]:
    """Return rows by their names; all if there are no names.

    Raises:
        BenchError: a name is not a row.
    """
    found = [cast("Row", import_module(f"{__name__}.{module}")) for module in _MODULES]
    known = [row.NAME for row in found]
    unknown = [name for name in names if name not in known]
    if unknown:
        raise BenchError(f"unknown row {', '.join(unknown)}; available: {', '.join(known)}")
    return [row for row in found if not names or row.NAME in names]
