"""The words of the command line: its help, its headings, and what it marks with `_()`."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer

from labctl.cli.groups import PANELS
from labctl.cli.main import build
from labctl.events import Phase
from labctl.machines.base import MachineState
from labctl.machines.finding import Level
from tools.messages.sentences import Found

HELP = "labctl/cli/main.py"
"""Stands for the file of every text that is part of the help."""


def helps() -> Iterator[Found]:
    """Yield the help of every command and parameter: a message a paragraph."""
    yield from _help_of(typer.main.get_command(build()))
    for heading in PANELS:
        yield Found(heading, HELP)


def states() -> Iterator[Found]:
    """Yield the words for what a node, a machine or a finding can be."""
    for words in (Phase, MachineState, Level):
        for word in words:
            yield Found(word.value, words.__module__.replace(".", "/") + ".py")


def marked(root: Path) -> Iterator[Found]:
    """Yield every text inside `_()`; and lists of them, where `_` is mapped over one."""
    for path in sorted((root / "labctl" / "cli").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                name = node.func.id
                first = node.args[0] if node.args else None
                if name == "_" or (
                    name == "map" and isinstance(first, ast.Name) and first.id == "_"
                ):
                    for inner in node.args:
                        yield from _texts(inner, path.relative_to(root).as_posix())
        yield from _heads(path, root)


def _heads(path: Path, root: Path) -> Iterator[Found]:
    """Yield the headings of tables, which stand in a variable of that name."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "heads":
            yield from _texts(node.value, path.relative_to(root).as_posix())


def _texts(node: ast.AST, file: str) -> Iterator[Found]:
    for part in node.elts if isinstance(node, ast.List) else (node,):
        if isinstance(part, ast.Constant) and isinstance(part.value, str):
            yield Found(part.value, file)
        elif isinstance(part, ast.IfExp):
            yield from _texts(part.body, file)
            yield from _texts(part.orelse, file)


def _help_of(command: Any) -> Iterator[Found]:
    for paragraph in (command.help or "").split("\n\n"):
        text = " ".join(paragraph.split())
        if text and not text.startswith("labctl "):  # an example, the same in every language
            yield Found(text, HELP)
    for parameter in command.params:
        if getattr(parameter, "help", None):
            yield Found(parameter.help, HELP)
    for below in getattr(command, "commands", {}).values():
        yield from _help_of(below)
