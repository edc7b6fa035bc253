"""lab.yaml as a file: its values and their lines.

Only this module and `yaml_values` know YAML. A run reads lab.yaml once, into a `Document`.
"""

from __future__ import annotations

import re
import stat
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.composer import Composer
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import Node
from ruamel.yaml.reader import ReaderError
from ruamel.yaml.scanner import Scanner

from labctl.config import faults, patterns
from labctl.config.yaml_values import (
    LONGEST_TEXT,
    MOST_LEVELS,
    MOST_VALUES,
    Values,
    only_problem,
    too_large,
)
from labctl.errors import UsageError
from labctl.messages import msg

_MOST_BYTES = 1 << 20


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
        raise only_problem(
            path, line, msg("the file is not UTF-8"), msg("save it as UTF-8")
        ) from error
    except OSError as error:
        hint = msg("`labctl init` writes one") if isinstance(error, FileNotFoundError) else ""
        raise UsageError(
            msg("cannot read {path}: {reason}", path=path, reason=error.strerror), hint=hint
        ) from error
    root = _parse(text, path)
    if root is None:
        return Document(str(path))
    values = Values(path)
    content = values.of(root, ())
    if content is None:
        return Document(str(path))
    if not isinstance(content, dict):
        _expect_colons(text, path)
        message = msg(
            "must be a mapping (key: value), is {document}", document=patterns.shown(content)
        )
        raise only_problem(path, 1, message, msg("start with a line such as: nodes: 2"))
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
        if self.flow_level > MOST_LEVELS:
            raise MarkedYAMLError(None, None, _TOO_MUCH, self.reader.get_mark())
        super().fetch_flow_collection_start(*arguments, **named)


class _BoundedComposer(Composer):
    """Composes YAML nodes, but not more of them than any lab needs."""

    _count = 0

    def compose_node(self, parent: Any, index: Any) -> Any:
        self.warn_double_anchors = False
        self._count += 1
        if self._count > MOST_VALUES or self.depth > MOST_LEVELS:
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
            raise only_problem(path, number, message, hint)


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
        problem = str(error.problem or error.context)[:LONGEST_TEXT]
        if problem == _TOO_MUCH:
            raise too_large(path, line) from error
        hint = msg("indent with spaces, not tabs") if "\\t" in problem else ""
        if "<block" in problem:
            problem = msg("the indentation does not match the lines above")
        raise only_problem(
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
        raise only_problem(path, line, msg("the file contains a control character")) from error
    except (YAMLError, ValueError, OverflowError) as error:
        # A number after \\U that is not a character, which ruamel does not expect.
        raise only_problem(
            path, yaml.reader.line + 1, msg("invalid YAML: {error}", error=error)
        ) from error
