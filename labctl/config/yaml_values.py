"""YAML nodes as Python's own types, within limits that no lab reaches.

A few lines of YAML aliases can stand for billions of values.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from labctl.config import faults, patterns
from labctl.errors import Problem, SpecError
from labctl.messages import msg

MOST_VALUES = 10_000
MOST_LEVELS = 50
LONGEST_TEXT = 120
"""Characters of the file that an error shows."""

_LONGEST_NUMBER = 40
_TAG = "tag:yaml.org,2002:"
_MERGE = f"{_TAG}merge"
_PLAIN = {f"{_TAG}{kind}" for kind in ("map", "seq", "str", "null", "bool", "int", "float")}


def only_problem(
    path: Path, line: int | None, message: str, hint: str = "", at: faults.KeyPath = ()
) -> SpecError:
    """Return the error for a file that cannot be checked any further."""
    return SpecError(str(path), [Problem(faults.where(at), message, line, hint)])


def too_large(path: Path, line: int | None) -> SpecError:
    return only_problem(path, line, msg("the file is too large, or refers to itself"))


def _line(node: Node) -> int:
    return int(node.start_mark.line) + 1


class Values:
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
        if self._count > MOST_VALUES or len(at) > MOST_LEVELS:
            raise too_large(self._path, _line(node))
        if str(node.tag) not in _PLAIN | {f"{_TAG}timestamp", _MERGE}:
            raise only_problem(
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
                raise only_problem(self._path, _line(key), msg("the key appears twice"), at=here)
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
        if depth > MOST_LEVELS:
            raise too_large(self._path, _line(node))
        if isinstance(node, SequenceNode):
            for item in node.value:
                yield from self._merged(item, at, depth + 1)
            return
        if not isinstance(node, MappingNode):
            message = msg("<< takes a mapping or a list of mappings")
            raise only_problem(self._path, _line(node), message, at=at)
        further = []
        for key, item in node.value:
            self._count += 1
            if self._count > MOST_VALUES:
                raise too_large(self._path, _line(node))
            if str(key.tag) == _MERGE:
                further.append(item)
            else:
                yield self._key(key, at), item
        for item in further:
            yield from self._merged(item, at, depth + 1)

    def _key(self, node: Node, at: faults.KeyPath) -> Any:
        if isinstance(node, ScalarNode):
            return self.of(node, at)
        raise only_problem(self._path, _line(node), msg("a key must be one word or number"), at=at)

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
            raise only_problem(self._path, _line(node), message, at=at) from error
        return value


def _short(node: Node) -> str:
    return str(node.tag).replace(_TAG, "!!")[:LONGEST_TEXT]


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
