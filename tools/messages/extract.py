"""The method by which Babel finds labctl's messages; see tools/messages/babel.cfg.

A message is the text in `msg()` or `_()`, or a constant in a place that people read: an
argument of an error, an event or a finding, a hint, the message of an `assert` in an exercise, or
the help of a command. An f-string in such a place has no translation; `unmarked` finds them.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import IO, Any

from labctl import errors

_ERRORS = [
    name
    for name, kind in vars(errors).items()
    if isinstance(kind, type) and issubclass(kind, errors.LabctlError)
]

PLACES = {
    **dict.fromkeys(_ERRORS, (0,)),
    "_": (0,),
    "joined": (1,),
    "msg": (0,),
    "AssertionError": (0,),
    "Change": (0,),
    "Command": (0,),
    "Explanation": (0, 1),
    "Failure": (0,),
    "Fault": (1, 2),
    "Finding": (1, 2, 3),
    "Notice": (1,),
    "Pattern": (1, 2),
    "Refused": (0, 1),
    "_Refused": (0, 1),
    "Remedy": (1,),
    "PhaseEntered": (2,),
    "Problem": (1, 3),
    "ValueError": (0,),
    "fail": (0,),
    "on_failure": (0,),
    "skip": (0,),
}
"""For each call, the positions of the arguments that people read."""

NAMES = {"because", "details", "found", "hint", "message", "note", "reason", "remedy", "summary"}
NAMES |= {"wanted", "wrong"}
"""Keyword arguments and attributes that people read."""

ROOT = Path(__file__).parents[2]
MARKS = ("_", "msg")
COMMAND_LINE = Path("labctl/cli/main.py")

_SENTENCE = re.compile(r"(?![#/`]\w+`|-\w|labctl |docker )(?=.*[A-Za-z]{2}).*\s.*", re.DOTALL)
_WORD = re.compile(r"[a-z]{2,}")
_ALONE = {"Finding", *_ERRORS}
"""Calls in which a single word is also a message."""
_HOLE = re.compile(r"\{\w+\}")

Found = tuple[int, str, str, list[str]]


def extract(
    file: IO[bytes], keywords: Mapping[str, Any], tags: Collection[str], options: Mapping[str, str]
) -> Iterator[Found]:
    """Yield (line, function, message, comments) as Babel wants them."""
    tree = ast.parse(file.read())
    path = Path(file.name).resolve().relative_to(ROOT)
    for name, place in _places(tree, exercises=path.parts[0] != "labctl"):
        for text in _texts(place):
            known = name in MARKS or (name in _ALONE and _WORD.fullmatch(text))
            if _HOLE.sub("", text) and (known or _SENTENCE.fullmatch(text)):
                yield place.lineno, "", text, []
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef) and "StrEnum" in map(ast.unparse, node.bases):
            yield from ((node.lineno, "", text, []) for text in _members(node))
        elif isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
            title = (ast.get_docstring(node) or "").partition("\n")[0]
            yield from ((node.lineno, "", text, []) for text in [title] if text)
    if path == COMMAND_LINE:
        yield from ((1, "", text, []) for text in _help())


def unmarked(source: str, *, exercises: bool) -> Iterator[int]:
    """Yield the lines of f-strings in places that people read."""
    for _name, place in _places(ast.parse(source), exercises=exercises):
        arms = (place.body, place.orelse) if isinstance(place, ast.IfExp) else (place,)
        yield from (arm.lineno for arm in arms if isinstance(arm, ast.JoinedStr))


def _places(tree: ast.AST, *, exercises: bool) -> Iterator[tuple[str, ast.expr]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            name = node.func.attr if isinstance(node.func, ast.Attribute) else ""
            name = node.func.id if isinstance(node.func, ast.Name) else name
            for position in PLACES.get(name, ()):
                if position < len(node.args):
                    yield name, node.args[position]
            if name not in MARKS:  # their keyword arguments are values
                for keyword in node.keywords:
                    if keyword.arg in NAMES:
                        yield "", keyword.value
        elif isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Attribute):
            if node.targets[0].attr in NAMES:
                yield "", node.value
        elif isinstance(node, ast.Assert) and node.msg is not None and exercises:
            yield "", node.msg


def _texts(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.IfExp):
        yield from _texts(node.body)
        yield from _texts(node.orelse)
    elif isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value:
        yield node.value


def _members(node: ast.ClassDef) -> Iterator[str]:
    for member in node.body:
        if isinstance(member, ast.Assign):
            yield from _texts(member.value)


def _help() -> Iterator[str]:
    """Yield the help of every command and parameter, one message for each paragraph."""
    import typer

    from labctl.cli.main import build

    commands: list[Any] = [typer.main.get_command(build())]
    for command in commands:
        for paragraph in (command.help or "").split("\n\n"):
            text = " ".join(paragraph.split())
            if text and not text.startswith("labctl "):  # an example, the same in every language
                yield text
        yield from (parameter.help for parameter in command.params if getattr(parameter, "help", 0))
        commands += getattr(command, "commands", {}).values()
