"""lab.yaml as a file: its values and their lines.

This is the only module that knows YAML. A run reads lab.yaml once, into a `Document`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.constructor import DuplicateKeyError
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.reader import ReaderError

from labctl.config import faults, patterns
from labctl.errors import Problem, SpecError, UsageError
from labctl.messages import msg

# More than any lab has. A few lines of YAML aliases can stand for billions of values.
_MOST_VALUES = 20_000


@dataclass(frozen=True, slots=True)
class Document:
    """The content of a lab.yaml.

    Parameters:
        source: the file, for messages.
        values: plain mappings, lists and scalars.
        lines: the line of each value, from 1, by its path.
    """

    source: str = "the command line"
    values: dict[str, Any] = field(default_factory=dict)
    lines: dict[faults.KeyPath, int] = field(default_factory=dict)

    @property
    def keys(self) -> frozenset[str]:
        """The top-level keys that the file sets."""
        return frozenset(self.values)


def read(path: Path | None, *, required: bool = False) -> Document:
    """Read a lab.yaml.

    Parameters:
        path: the file; None, or a file that does not exist, sets no key.
        required: a file that does not exist is an error.

    Raises:
        SpecError: it is not a YAML mapping.
        UsageError: it cannot be read, or is required and does not exist.
    """
    if path is None:
        return Document()
    if not required and not path.exists():
        return Document(str(path))
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise _only(path, line, msg("the file is not UTF-8"), msg("save it as UTF-8")) from error
    except OSError as error:
        hint = msg("`labctl init` writes one") if isinstance(error, FileNotFoundError) else ""
        raise UsageError(
            msg("cannot read {path}: {reason}", path=path, reason=error.strerror), hint=hint
        ) from error
    content = _parse(text, path)
    if content is None:
        return Document(str(path))
    if not isinstance(content, dict):
        message = msg(
            "must be a mapping (key: value), is {document}", document=patterns.shown(content)
        )
        raise _only(path, 1, message, msg("start with a line such as: nodes: 2"))
    lines: dict[faults.KeyPath, int] = {}
    return Document(str(path), _plain(content, (), lines, path), lines)


def _parse(text: str, path: Path) -> Any:
    """Return the content of a YAML text, in ruamel's types."""
    try:
        # "rt" keeps the line of every key; nothing but plain types comes out of it.
        return YAML(typ="rt", pure=True).load(text)
    except DuplicateKeyError as error:
        key = re.search(r'duplicate key "(.*?)"', str(error.problem))
        at = (key.group(1),) if key else ()
        raise _only(path, _mark(error), msg("the key appears twice"), at=at) from error
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        problem = str(error.problem or error.context)
        hint = msg("indent with spaces, not tabs") if "\\t" in problem else ""
        if "<block" in problem:
            problem = msg("the indentation does not match the lines above")
        raise _only(
            path,
            _mark(error),
            msg(
                "invalid YAML, column {column}: {problem}",
                column=mark.column + 1,
                problem=problem,
            )
            if mark
            else msg("invalid YAML: {error}", error=problem),
            hint,
        ) from error
    except ReaderError as error:
        line = text[: error.position].count("\n") + 1
        raise _only(path, line, msg("the file contains a control character")) from error
    except (YAMLError, ValueError, RecursionError) as error:
        raise _only(path, None, msg("invalid YAML: {error}", error=error)) from error


def _mark(error: MarkedYAMLError) -> int | None:
    """Return the line, from 1, that a YAML error points at, None if at none."""
    mark = error.problem_mark or error.context_mark
    return int(mark.line) + 1 if mark else None


def _only(
    path: Path, line: int | None, message: str, hint: str = "", at: faults.KeyPath = ()
) -> SpecError:
    """Return the error for a file that cannot be checked any further."""
    return SpecError(str(path), [Problem(faults.where(at), message, line, hint)])


def _plain(value: Any, at: faults.KeyPath, lines: dict[faults.KeyPath, int], path: Path) -> Any:
    """Return `value` without ruamel's types, and put the line of each place into `lines`."""
    if len(lines) > _MOST_VALUES or len(at) > 50:
        raise _only(path, None, msg("the file is too large, or refers to itself"))
    if isinstance(value, dict):
        plain = {}
        for key, item in value.items():
            name = key if isinstance(key, str) else _scalar(key)
            here = (*at, name if isinstance(name, str | int) else str(name))
            # A merged key (<<) has no line of its own.
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
    """Return a scalar as one of Python's own types; every other type of YAML becomes a string."""
    for plain in (bool, int, float, str):
        if isinstance(value, plain):
            return plain(value)
    return None if value is None else str(value)
