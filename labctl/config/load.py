"""From lab.yaml and flags to a `LabSpec`, or to every problem at once with its line.

A course is prepared by editing and running again; a tool that names one mistake a run makes that
slow. So the file is read with its line numbers, what is wrong is cut out, and the rest is checked
further. This is the one module that knows YAML.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.constructor import DuplicateKeyError
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.reader import ReaderError

from labctl.config import faults, patterns, schema, validate
from labctl.config import starter as starterfile
from labctl.config.faults import Fault
from labctl.config.model import LabSpec
from labctl.config.overrides import Override
from labctl.errors import Problem, SpecError, UsageError

# More than any lab has. A few lines of YAML aliases can stand for billions of values.
_MOST_VALUES = 20_000
_SECTIONS: tuple[tuple[str, ...], ...] = (
    ("docker", "daemon"),
    ("docker",),
    ("sources", "vault"),
    ("sources", "docker"),
    ("sources", "compose", "sha256"),
    ("sources", "compose"),
    ("sources",),
    ("box",),
    ("toolchain",),
    ("registry",),
    ("hub_cache",),
    ("images",),
)


@dataclass(slots=True)
class _Raw:
    """What a file says, as plain values, and the line on which each of its places stands."""

    values: dict[str, Any] = field(default_factory=dict)
    lines: dict[faults.KeyPath, int] = field(default_factory=dict)
    flags: dict[faults.KeyPath, str] = field(default_factory=dict)


def load(
    path: Path | None,
    overrides: Mapping[str, Override] | None = None,
    *,
    required: bool = False,
    folder: Path | None = None,
    further: validate.Check | None = None,
) -> LabSpec:
    """Return the lab that a file and flags describe.

    Parameters:
        path: the lab's file; None, or a file that does not exist, means the defaults.
        overrides: by key of lab.yaml (``nodes``, ``docker.mirrors``); they win over the file.
        required: whether a file that does not exist is an error.
        folder: the lab's folder, after which a lab without a name is named; default: the file's,
            or the current one.
        further: a check of the whole lab that needs more than lab.yaml.

    Paths of the host are absolute in what is returned: relative ones begin at the lab's folder.

    Raises:
        SpecError: with every problem, in the file's order, those of flags at the end.
        UsageError: the file cannot be read, or is required and does not exist.
    """
    source = str(path) if path else "the command line"
    raw = _Raw()
    if path is not None and (required or path.exists()):
        raw = _read(path)
    _drop_empty_sections(raw.values)
    _apply(raw, overrides or {})
    home = folder or (path.parent if path else Path())
    raw.values.setdefault("name", safe_name(home.absolute().name))
    result, found = validate.diagnose(raw.values, *([further] if further else []))
    if found or result is None:
        unique = {_problem(fault, raw): None for fault in found}
        last = max(raw.lines.values(), default=0) + 1
        problems = sorted(unique, key=lambda problem: problem.line or last)
        raise SpecError(source, problems)
    return _anchored(result, home.absolute())


def keys(path: Path) -> frozenset[str]:
    """Return the top-level keys that the file at `path` sets.

    Raises:
        SpecError: the file is no YAML mapping.
        UsageError: the file cannot be read.
    """
    return frozenset(_read(path).values)


def starter() -> str:
    """Return the lab.yaml that a new lab begins with: every key, as a comment, with its default."""
    return starterfile.TEXT


def safe_name(text: str) -> str:
    """Return the lab's name that is nearest to `text`, the name of a folder."""
    name = re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:40].rstrip("-")
    if not name:
        return "lab"
    return name if name[0].isalpha() else f"lab-{name}"


def _read(path: Path) -> _Raw:
    """Return what the file at `path` says; raises as `load`."""
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise _only(path, line, "the file is not UTF-8", "save it as UTF-8") from error
    except OSError as error:
        hint = "`labctl init` writes one" if isinstance(error, FileNotFoundError) else ""
        raise UsageError(f"cannot read {path}: {error.strerror}", hint=hint) from error
    try:
        # "rt" keeps the line of every key; nothing but plain types comes out of it.
        document = YAML(typ="rt", pure=True).load(text)
    except DuplicateKeyError as error:
        key = re.search(r'duplicate key "(.*?)"', str(error.problem))
        at = (key.group(1),) if key else ()
        raise _only(path, _mark(error), "the key is given twice", at=at) from error
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        column = f", column {mark.column + 1}" if mark else ""
        problem = str(error.problem or error.context)
        hint = "indent with blanks, not tabs" if "\\t" in problem else ""
        if "<block" in problem:
            problem = "the indentation does not go with the lines above"
        raise _only(path, _mark(error), f"this is no YAML{column}: {problem}", hint) from error
    except ReaderError as error:
        line = text[: error.position].count("\n") + 1
        raise _only(path, line, "there is a control character in the file") from error
    except (YAMLError, ValueError, RecursionError) as error:
        raise _only(path, None, f"this is no YAML: {error}") from error
    if document is None:
        return _Raw()
    if not isinstance(document, dict):
        message = f"must be a mapping (key: value), is {patterns.shown(document)}"
        raise _only(path, 1, message, "begin with a line such as: nodes: 2")
    raw = _Raw()
    raw.values = _plain(document, (), raw.lines, path)
    return raw


def _mark(error: MarkedYAMLError) -> int | None:
    """Return the line, from 1, that a YAML error points at, None if at none."""
    mark = error.problem_mark or error.context_mark
    return int(mark.line) + 1 if mark else None


def _only(
    path: Path, line: int | None, message: str, hint: str = "", at: faults.KeyPath = ()
) -> SpecError:
    """Return the error for a file in which nothing else can be looked for."""
    return SpecError(str(path), [Problem(faults.where(at), message, line, hint)])


def _plain(value: Any, at: faults.KeyPath, lines: dict[faults.KeyPath, int], path: Path) -> Any:
    """Return `value` without ruamel's types, and put the line of each place into `lines`."""
    if len(lines) > _MOST_VALUES or len(at) > 50:
        raise _only(path, None, "the file is too large, or refers to itself")
    if isinstance(value, dict):
        plain = {}
        for key, item in value.items():
            name = key if isinstance(key, str) else _scalar(key)
            here = (*at, name if isinstance(name, str | int) else str(name))
            # A key that came by way of a merge (<<) has no line of its own.
            lines[here] = _line(value, "key", key) or lines.get(at, 1)
            plain[name] = _plain(item, here, lines, path)
        return plain
    if isinstance(value, list):
        items = []
        for index, item in enumerate(value):
            lines[(*at, index)] = _line(value, "item", index) or lines.get(at, 1)
            items.append(_plain(item, (*at, index), lines, path))
        return items
    return _scalar(value)


def _line(collection: Any, kind: str, key: object) -> int | None:
    """Return the line, from 1, of a key or an item, None where ruamel keeps none."""
    try:
        return int(getattr(collection.lc, kind)(key)[0]) + 1
    except (AttributeError, KeyError, TypeError, IndexError):
        return None


def _scalar(value: object) -> Any:
    """Return a scalar as one of Python's own types; what YAML has beyond those, as a text."""
    for plain in (bool, int, float, str):
        if isinstance(value, plain):
            return plain(value)
    return None if value is None else str(value)


def _drop_empty_sections(values: dict[str, Any]) -> None:
    """Take out sections without a value, as is left when all of their lines are comments."""
    for section in _SECTIONS:
        *outer, last = section
        place: Any = values
        for part in outer:
            place = place.get(part) if isinstance(place, dict) else None
        if isinstance(place, dict) and last in place and place[last] is None:
            del place[last]


def _apply(raw: _Raw, overrides: Mapping[str, Override]) -> None:
    """Put the flags' values over the file's."""
    for key, override in overrides.items():
        parts = key.split(".")
        place = raw.values
        for part in parts[:-1]:
            if not isinstance(place.get(part), dict):
                place[part] = {}
            place = place[part]
        place[parts[-1]] = override.value
        raw.flags[tuple(parts)] = override.source


def _problem(fault: Fault, raw: _Raw) -> Problem:
    """Return `fault` as the user will read it: with its line, or with the flag that caused it."""
    path = tuple(part for part in fault.path if part != faults.KEY)
    message, hint = faults.sentence(fault, schema.keys_at(path[:-1]))
    for end in range(len(path), 0, -1):
        if path[:end] in raw.flags:
            return Problem(raw.flags[path[:end]], message, None, hint)
    # A value that was given in short (`box: centos/7`) has the faults of the mapping it stands for.
    named = validate.existing(raw.values, path, fault)
    shown = path if fault.kind == "missing" or not isinstance(_at(raw, named), str) else named
    outwards = (path[:end] for end in range(len(path), 0, -1))
    line = next((raw.lines[place] for place in outwards if place in raw.lines), None)
    return Problem(faults.where(shown), message, line, hint)


def _anchored(lab: LabSpec, home: Path) -> LabSpec:
    """Return `lab` with absolute paths of the host: the Vagrantfile stands in another folder."""

    def absolute(text: str) -> str:
        return (home / os.path.expanduser(text)).as_posix()  # noqa: PTH111

    update: dict[str, object] = {}
    if lab.synced_folders:
        update["synced_folders"] = tuple(
            folder.model_copy(update={"host": absolute(folder.host)})
            for folder in lab.synced_folders
        )
    if lab.machines:
        update["machines"] = tuple(
            machine.model_copy(update={"key": absolute(machine.key)}) if machine.key else machine
            for machine in lab.machines
        )
    if lab.compose_app:
        app = lab.compose_app
        update["compose_app"] = app.model_copy(update={"folder": absolute(app.folder)})
    return lab.model_copy(update=update) if update else lab


def _at(raw: _Raw, path: faults.KeyPath) -> Any:
    place: Any = raw.values
    for part in path:
        place = place[part]
    return place
