"""Finding every fault of a lab in one go.

The checks between places of lab.yaml (an address used twice) need a model, and there is no model
while a single place is wrong. So what is wrong is cut out, and the rest is looked at again. Pure:
plain values in, faults out.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from labctl.config import faults, model
from labctl.config.faults import Fault
from labctl.config.model import LabSpec

# Each round cuts out at least one place. Two or three rounds are usual.
_MOST_ROUNDS = 50

Check = Callable[[LabSpec], list[Fault]]
"""A check of a whole lab that needs more than lab.yaml, such as what its provider refuses."""


def _nothing_further(_: LabSpec) -> list[Fault]:
    return []


def diagnose(
    values: dict[str, Any], further: Check = _nothing_further
) -> tuple[LabSpec | None, list[Fault]]:
    """Return the lab, or None and every fault; the paths are those of `values` as given.

    `further` runs once everything else is right.

    While single places are wrong, the checks between places cannot run. So the wrong ones are cut
    out, and what is left is validated again. What is only wrong because of a cut is not reported.
    """
    found: list[Fault] = []
    cut: set[faults.KeyPath] = set()
    checked = False
    for turn in range(_MOST_ROUNDS):
        rest, indexes = _without(values, cut)
        result = model.validate(rest)
        if isinstance(result, LabSpec):
            found += _still_true(further(result), indexes, cut)
            return (None if found else result), found
        now = _still_true(result, indexes, cut)
        # Once is enough for those between places: what a cut leaves behind says nothing new.
        found += [fault for fault in now if (not checked if fault.late else turn == 0)]
        checked = checked or any(fault.late for fault in result)
        before = len(cut)
        cut |= {existing(values, _as_given(fault.path, indexes), fault) for fault in result}
        if len(cut) == before:
            break
    return None, found


def _still_true(
    result: list[Fault], indexes: dict[faults.KeyPath, list[int]], cut: set[faults.KeyPath]
) -> list[Fault]:
    """Return the faults of `result` at the places of the file, without those that a cut caused."""
    gone = {path[0] for path in cut if path}
    return [
        Fault(_as_given(fault.path, indexes), fault.kind, fault.value, fault.context)
        for fault in result
        if not gone.intersection(fault.needs)
    ]


def _without(
    value: Any, cut: set[faults.KeyPath], at: faults.KeyPath = ()
) -> tuple[Any, dict[faults.KeyPath, list[int]]]:
    """Return a copy of `value` without the places in `cut`, and for each list the old indexes."""
    indexes: dict[faults.KeyPath, list[int]] = {}
    if isinstance(value, dict):
        kept_keys = [key for key in value if (*at, key) not in cut]
        copy: dict[Any, Any] = {}
        for key in kept_keys:
            copy[key], inner = _without(value[key], cut, (*at, key))
            indexes |= inner
        return copy, indexes
    if isinstance(value, list):
        kept = [index for index in range(len(value)) if (*at, index) not in cut]
        items = []
        for index in kept:
            item, inner = _without(value[index], cut, (*at, index))
            items.append(item)
            indexes |= inner
        indexes[at] = kept
        return items, indexes
    return value, indexes


def _as_given(path: faults.KeyPath, indexes: dict[faults.KeyPath, list[int]]) -> faults.KeyPath:
    """Return `path`, which holds indexes after cutting, with those from before."""
    given: faults.KeyPath = ()
    for part in path:
        kept = indexes.get(given)
        if isinstance(part, int) and kept is not None and part < len(kept):
            part = kept[part]  # noqa: PLW2901
        given = (*given, part)
    return given


def existing(values: Any, path: faults.KeyPath, fault: Fault) -> faults.KeyPath:
    """Return the part of `path` that is there to be cut; for a missing key, what lacks it."""
    place = values
    reached: faults.KeyPath = ()
    for part in path[:-1] if fault.kind == "missing" else path:
        try:
            place = place[part]
        except (KeyError, IndexError, TypeError):
            break
        reached = (*reached, part)
    return reached
