"""From plain values to a lab, or to every fault at once.

The cross-checks (an address used twice) need a model, and there is no model while a single value is
wrong. So wrong values are cut out, and the rest is validated again. Pure: plain values in, a lab or
faults out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from labctl.config import cross_checks, existing_files, faults, playbook_settings
from labctl.config.faults import Fault
from labctl.config.model import LabSpec, lab_model
from labctl.config.playbook_settings import PlaybookSettings
from labctl.config.schema import keys_at

# Each round cuts out at least one place. Two or three rounds are usual.
_MOST_ROUNDS = 50

Check = Callable[[LabSpec], Iterable[Fault]]
"""Finds the faults between the values of a lab that are each valid."""


@dataclass(frozen=True, slots=True)
class Validator:
    """The rules for a lab.

    Parameters:
        settings: of the playbooks whose keys lab.yaml may have.
        folder: the lab's folder; relative paths of this computer start there. None: they stay
            relative.
        further: a check that runs if no other one finds anything.
    """

    settings: tuple[PlaybookSettings, ...]
    folder: Path | None = None
    further: Check = lambda _: ()

    @property
    def model(self) -> type[LabSpec]:
        """The model of lab.yaml, with the playbooks' keys."""
        return lab_model(tuple(one.keys for one in self.settings if one.keys is not None))

    def parse(self, values: object) -> LabSpec | list[Fault]:
        """Return the lab that `values` describe, or the faults of single values."""
        model = self.model
        try:
            return model.model_validate(values, context={"folder": self.folder})
        except ValidationError as error:
            found = (
                faults.from_pydantic(
                    one["type"],
                    one["loc"],
                    one["input"],
                    one.get("ctx", {}),
                    keys_at(faults.real_path(one["loc"])[:-1], model),
                )
                for one in error.errors(include_url=False)
            )
            return [fault for fault in found if fault is not None]

    def check(self, lab: LabSpec) -> list[Fault]:
        """Return the faults between the values of a lab."""
        of_playbooks = (fault for part in self.settings for fault in part.check(lab))
        on_disk = existing_files.check(lab, self.folder) if self.folder is not None else ()
        return [*cross_checks.check(lab), *of_playbooks, *on_disk]

    def diagnose(self, values: dict[str, Any]) -> LabSpec | list[Fault]:
        """Return the lab, or every fault; the paths are those of `values` as given.

        A fault that is only the consequence of cutting another one out is not reported.
        """
        found: list[Fault] = []
        cut: set[faults.KeyPath] = set()
        parsed = checked = False
        for _ in range(_MOST_ROUNDS):
            rest, indexes = _without(values, cut)
            result = self.parse(rest)
            if isinstance(result, list):
                wrong, new = result, not parsed
                parsed = True
            else:
                wrong, new = self.check(result), not checked
                parsed = checked = True
                if not wrong:
                    found += _still_true(self.further(result), indexes, cut)
                    return found or result
            # A cut causes only consequences of known faults.
            found += _still_true(wrong, indexes, cut) if new else ()
            before = len(cut)
            cut |= {existing(values, _as_given(fault.path, indexes), fault) for fault in wrong}
            if len(cut) == before:
                break
        return found


def validate(raw: dict[str, Any]) -> LabSpec | list[Fault]:
    """Return the lab that `raw` describes, with the keys of labctl's own playbooks, or all faults.

    Parameters:
        raw: plain mappings, lists and scalars.
    """
    return Validator(tuple(playbook_settings.of_labctl().values())).diagnose(raw)


def _still_true(
    found: Iterable[Fault], indexes: dict[faults.KeyPath, list[int]], cut: set[faults.KeyPath]
) -> list[Fault]:
    """Return the faults of `found` at the places of the file, without those that a cut caused."""
    gone = {path[0] for path in cut if path}
    return [
        replace(fault, path=_as_given(fault.path, indexes))
        for fault in found
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
    """Return the part of `path` to cut; for a missing key, the mapping that lacks it."""
    place = values
    reached: faults.KeyPath = ()
    for part in path[:-1] if fault.missing else path:
        try:
            place = place[part]
        except (KeyError, IndexError, TypeError):
            break
        reached = (*reached, part)
    return reached
