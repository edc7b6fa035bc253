"""lab.yaml as a file: its values and their lines.

This is the only module that knows YAML. A run reads lab.yaml once, into a `Document`.
"""

from __future__ import annotations

import math
import re
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.composer import Composer
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode
from ruamel.yaml.reader import ReaderError
from ruamel.yaml.scanner import Scanner

from labctl.config import faults, patterns
from labctl.errors import Problem, SpecError, UsageError
from labctl.messages import msg

# More than any lab has. A few lines of YAML aliases can stand for billions of values.
_MOST_BYTES = 1 << 20
_MOST_VALUES = 10_000
_MOST_LEVELS = 50
_LONGEST_NUMBER = 40
_LONGEST_TEXT = 120
"""Characters of the file that an error shows."""

_TAG = "tag:yaml.org,2002:"
_MERGE = f"{_TAG}merge"
_PLAIN = {f"{_TAG}{kind}" for kind in ("map", "seq", "str", "null", "bool", "int", "float")}


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
        text = _bytes(path).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise _only(path, line, msg("the file is not UTF-8"), msg("save it as UTF-8")) from error
    except OSError as error:
        hint = msg("`labctl init` writes one") if isinstance(error, FileNotFoundError) else ""
        raise UsageError(
            msg("cannot read {path}: {reason}", path=path, reason=error.strerror), hint=hint
        ) from error
    root = _parse(text, path)
    if root is None:
        return Document(str(path))
    values = _Values(path)
    content = values.of(root, ())
    if content is None:
        return Document(str(path))
    if not isinstance(content, dict):
        _expect_colons(text, path)
        message = msg(
            "must be a mapping (key: value), is {document}", document=patterns.shown(content)
        )
        raise _only(path, 1, message, msg("start with a line such as: nodes: 2"))
    return Document(str(path), content, values.lines)


def _bytes(path: Path) -> bytes:
    """Return the content of a file, which may be anything that somebody called lab.yaml.

    Raises:
        OSError: it cannot be read.
        UsageError: it is a pipe, a device or a folder, or too large.
    """
    if not stat.S_ISREG(path.stat().st_mode):
        raise UsageError(
            msg("cannot read {path}: {reason}", path=path, reason=msg("it is not a regular file"))
        )
    with path.open("rb") as file:
        data = file.read(_MOST_BYTES + 1)
    if len(data) > _MOST_BYTES:
        raise UsageError(
            msg("cannot read {path}: {reason}", path=path, reason=msg("it is larger than 1 MB"))
        )
    return data


class _BoundedScanner(Scanner):
    """Scans YAML tokens; its time grows with the square of the brackets that are open."""

    def fetch_flow_collection_start(self, *arguments: Any, **named: Any) -> None:
        if self.flow_level > _MOST_LEVELS:
            raise MarkedYAMLError(None, None, _TOO_MUCH, self.reader.get_mark())
        super().fetch_flow_collection_start(*arguments, **named)


class _BoundedComposer(Composer):
    """Composes YAML nodes, but not more of them than any lab needs."""

    _count = 0

    def compose_node(self, parent: Any, index: Any) -> Any:
        self.warn_double_anchors = False
        self._count += 1
        if self._count > _MOST_VALUES or self.depth > _MOST_LEVELS:
            raise MarkedYAMLError(None, None, _TOO_MUCH, self.parser.peek_event().start_mark)
        return super().compose_node(parent, index)


_BAD_COLON = re.compile(r"(\s*(?:- +)?)([A-Za-z_][\w-]*)(：\s*|:(?=[^\s/]))(.*)")
"""A line whose colon is a Chinese one, or has no blank behind it."""


def _expect_colons(text: str, path: Path) -> None:
    """Check the colons behind keys in a file that is not a YAML mapping.

    Raises:
        SpecError: a colon is not one for YAML; with the line as it should be.
    """
    for number, line in enumerate(text.splitlines(), start=1):
        if found := _BAD_COLON.fullmatch(line):
            indent, key, colon, rest = found.groups()
            message = (
                msg("YAML does not support full-width colons")
                if colon.startswith("：")
                else msg("a space is missing after the colon")
            )
            hint = msg("write: {line}", line=f"{indent}{key}: {rest}".strip())
            raise _only(path, number, message, hint)


_TOO_MUCH = "too many values"
"""Stands for an error of ours among those of ruamel, which become another message."""


def _parse(text: str, path: Path) -> Node | None:
    """Return the root of a YAML text; None if it is empty."""
    yaml = YAML(typ="safe", pure=True)
    yaml.Scanner, yaml.Composer = _BoundedScanner, _BoundedComposer
    try:
        node: Node | None = yaml.compose(text)
        return node
    except MarkedYAMLError as error:
        _expect_colons(text, path)
        mark = error.problem_mark or error.context_mark
        line = int(mark.line) + 1 if mark else None
        problem = str(error.problem or error.context)[:_LONGEST_TEXT]
        if problem == _TOO_MUCH:
            raise _too_large(path, line) from error
        hint = msg("indent with spaces, not tabs") if "\\t" in problem else ""
        if "<block" in problem:
            problem = msg("the indentation does not match the lines above")
        raise _only(
            path,
            line,
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
    except (YAMLError, ValueError, OverflowError) as error:
        # A number after \\U that is not a character, which ruamel does not expect.
        raise _only(
            path, yaml.reader.line + 1, msg("invalid YAML: {error}", error=error)
        ) from error


def _only(
    path: Path, line: int | None, message: str, hint: str = "", at: faults.KeyPath = ()
) -> SpecError:
    """Return the error for a file that cannot be checked any further."""
    return SpecError(str(path), [Problem(faults.where(at), message, line, hint)])


def _too_large(path: Path, line: int | None) -> SpecError:
    return _only(path, line, msg("the file is too large, or refers to itself"))


def _line(node: Node) -> int:
    return int(node.start_mark.line) + 1


class _Values:
    """Turns YAML nodes into Python's own types.

    Parameters:
        path: the file, for messages.
    """

    def __init__(self, path: Path) -> None:
        self.lines: dict[faults.KeyPath, int] = {}
        self._path = path
        self._count = 0

    def of(self, node: Node, at: faults.KeyPath) -> Any:
        """Return the value of a node.

        Parameters:
            node: the node.
            at: its place in the document.

        Raises:
            SpecError: it has a tag that labctl does not know, a key twice, or more values than any
                lab.
        """
        self._count += 1
        if self._count > _MOST_VALUES or len(at) > _MOST_LEVELS:
            raise _too_large(self._path, _line(node))
        if str(node.tag) not in _PLAIN | {f"{_TAG}timestamp", _MERGE}:
            raise _only(
                self._path,
                _line(node),
                msg("labctl does not support the tag {tag}", tag=_short(node)),
                msg("write the value without a tag"),
                at,
            )
        if isinstance(node, MappingNode):
            return self._mapping(node, at)
        if isinstance(node, SequenceNode):
            return self._sequence(node, at)
        return self._scalar(node, at)

    def _sequence(self, node: Node, at: faults.KeyPath) -> list[Any]:
        values = []
        for index, item in enumerate(node.value):
            self.lines[(*at, index)] = _line(item)
            values.append(self.of(item, (*at, index)))
        return values

    def _mapping(self, node: Node, at: faults.KeyPath) -> dict[Any, Any]:
        values: dict[Any, Any] = {}
        merged: list[tuple[Any, Any]] = []
        for key, item in node.value:
            if str(key.tag) == _MERGE:
                merged += self._merged(item, at)
                continue
            name = self._key(key, at)
            here = (*at, name if isinstance(name, str | int) else str(name))
            if name in values:
                raise _only(self._path, _line(key), msg("the key appears twice"), at=here)
            self.lines[here] = _line(key)
            values[name] = self.of(item, here)
        for name, item in merged:
            if name not in values:
                here = (*at, name if isinstance(name, str | int) else str(name))
                self.lines[here] = _line(node)
                values[name] = self.of(item, here)
        return values

    def _merged(self, node: Node, at: faults.KeyPath, depth: int = 0) -> Iterator[tuple[Any, Node]]:
        """Yield the keys and values that `<<` takes over from other mappings."""
        if depth > _MOST_LEVELS:
            raise _too_large(self._path, _line(node))
        if isinstance(node, SequenceNode):
            for item in node.value:
                yield from self._merged(item, at, depth + 1)
            return
        if not isinstance(node, MappingNode):
            message = msg("<< takes a mapping or a list of mappings")
            raise _only(self._path, _line(node), message, at=at)
        further = []
        for key, item in node.value:
            self._count += 1
            if self._count > _MOST_VALUES:
                raise _too_large(self._path, _line(node))
            if str(key.tag) == _MERGE:
                further.append(item)
            else:
                yield self._key(key, at), item
        for item in further:
            yield from self._merged(item, at, depth + 1)

    def _key(self, node: Node, at: faults.KeyPath) -> Any:
        if isinstance(node, ScalarNode):
            return self.of(node, at)
        raise _only(self._path, _line(node), msg("a key must be one word or number"), at=at)

    def _scalar(self, node: Node, at: faults.KeyPath) -> Any:
        """Return a scalar; every type beyond JSON's is a string."""
        text = str(node.value)
        kind = str(node.tag).removeprefix(_TAG)
        try:
            text.encode("utf-8")
            if kind in ("int", "float") and len(text) > _LONGEST_NUMBER:
                raise ValueError("too long")
            value = _CONVERSIONS.get(kind, str)(text)
            if isinstance(value, float) and not math.isfinite(value):
                raise ValueError("not finite")
        except (ValueError, KeyError) as error:
            message = msg(
                "{text} is not a value of the type {kind}", text=patterns.shown(text), kind=kind
            )
            if isinstance(error, UnicodeEncodeError):
                message = msg("the value contains a character that does not exist")
            raise _only(self._path, _line(node), message, at=at) from error
        return value


def _short(node: Node) -> str:
    return str(node.tag).replace(_TAG, "!!")[:_LONGEST_TEXT]


def _int(text: str) -> int:
    """Return an integer of YAML 1.2: decimal, 0x or 0o, with underscores."""
    digits = text.replace("_", "").lower()
    sign = -1 if digits.startswith("-") else 1
    digits = digits.lstrip("+-")
    for prefix, base in (("0x", 16), ("0o", 8), ("0b", 2)):
        if digits.startswith(prefix):
            return sign * int(digits[2:], base)
    return sign * int(digits)


_BOOLEANS = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}
"""Without a directive %YAML 1.1, only `true` and `false` are resolved as booleans."""

_CONVERSIONS: dict[str, Callable[[str], Any]] = {
    "null": lambda text: None,
    "bool": lambda text: _BOOLEANS[text.lower()],
    "int": _int,
    "float": lambda text: float(text.replace("_", "")),
}
