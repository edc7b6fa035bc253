"""From lab.yaml and flags to a `LabSpec`, or to every problem at once with its line.

An instructor edits lab.yaml and runs labctl again. One mistake for each run would be slow, so every
value is checked even if another one is wrong.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from labctl.config import document, faults, playbook_settings, schema
from labctl.config.document import Document
from labctl.config.faults import Fault
from labctl.config.model import LabSpec
from labctl.config.overrides import Override
from labctl.config.playbook_settings import PlaybookSettings
from labctl.config.validate import Check, Validator, existing
from labctl.errors import Problem, SpecError


def load(
    path: Path | None,
    overrides: Mapping[str, Override] | None = None,
    *,
    required: bool = False,
    folder: Path | None = None,
    further: Check = lambda _: (),
) -> LabSpec:
    """Return the lab that a file and flags describe: `document.read` and `resolve` in one."""
    content = document.read(path, required=required)
    folder = folder or (path.parent if path else Path())
    return resolve(content, overrides, folder, further=further)


def resolve(
    content: Document,
    overrides: Mapping[str, Override] | None,
    folder: Path,
    *,
    own: Mapping[str, PlaybookSettings] | None = None,
    further: Check = lambda _: (),
) -> LabSpec:
    """Return the lab that a lab.yaml and flags describe.

    Parameters:
        content: the lab.yaml.
        overrides: by key of lab.yaml (``nodes``, ``docker.mirrors``); they win over the file.
        folder: the lab's folder. A lab without a name is named after it. Relative paths of this
            computer start there; in the result they are absolute.
        own: settings of the lab's own playbooks, by the playbooks' names. The keys of other
            playbooks of the lab are accepted unchecked.
        further: a check that runs if no other one finds anything.

    Raises:
        SpecError: with every problem, in the file's order, those of flags at the end.
        PlaybookError: a playbook of the lab's own brings a key that exists already.
    """
    folder = folder.absolute()
    own = own or {}
    theirs = playbook_settings.keys_in_source(folder / "playbooks")
    settings = {
        name: one for name, one in playbook_settings.of_labctl().items() if name not in theirs
    } | dict(own)
    playbook_settings.check_names(settings.values())
    validator = Validator(tuple(settings.values()), folder, further)
    unchecked = {key for name, keys in theirs.items() if name not in own for key in keys}
    values = copy.deepcopy({k: v for k, v in content.values.items() if k not in unchecked})
    schema.drop_empty_sections(values, validator.model)
    given = _Given(content, values, _apply(values, overrides or {}), validator.model)
    values.setdefault("name", safe_name(folder.name))
    result = validator.diagnose(values)
    if isinstance(result, LabSpec):
        return result
    unique = {given.problem(fault): None for fault in result}
    last_line = max(content.lines.values(), default=0) + 1
    problems = sorted(unique, key=lambda problem: problem.line or last_line)
    raise SpecError(content.source, problems)


def safe_name(text: str) -> str:
    """Return the lab's name that is nearest to `text`, the name of a folder."""
    name = re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:40].rstrip("-")
    if not name:
        return "lab"
    return name if name[0].isalpha() else f"lab-{name}"


def _apply(values: dict[str, Any], overrides: Mapping[str, Override]) -> dict[faults.KeyPath, str]:
    """Put the flags' values over the file's, and return the flag of each place."""
    flags: dict[faults.KeyPath, str] = {}
    for key, override in overrides.items():
        parts = key.split(".")
        place = values
        for part in parts[:-1]:
            if not isinstance(place.get(part), dict):
                place[part] = {}
            place = place[part]
        place[parts[-1]] = override.value
        flags[tuple(parts)] = override.source
    return flags


@dataclass(frozen=True, slots=True)
class _Given:
    """The origin of a lab's values: lines of a file, and flags."""

    content: Document
    values: dict[str, Any]
    flags: dict[faults.KeyPath, str]
    model: type[LabSpec]

    def problem(self, fault: Fault) -> Problem:
        """Return `fault` with its line, or with the flag that caused it."""
        path = fault.path
        for end in range(len(path), 0, -1):
            if path[:end] in self.flags:
                return Problem(self.flags[path[:end]], fault.message, None, fault.hint)
        # A value in short form (`box: centos/7`) has the faults of the mapping that it stands for.
        named = existing(self.values, path, fault)
        shown = path if fault.missing or not isinstance(self._at(named), str) else named
        outwards = (path[:end] for end in range(len(path), 0, -1))
        lines = self.content.lines
        line = next((lines[place] for place in outwards if place in lines), None)
        return Problem(faults.where(shown), fault.message, line, fault.hint)

    def _at(self, path: faults.KeyPath) -> Any:
        place: Any = self.values
        for part in path:
            place = place[part]
        return place
