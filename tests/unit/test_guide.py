"""labctl parses every step of the pages in tests/guide.py; tests/e2e/test_guide.py runs them."""

from __future__ import annotations

import ast
from typing import Any

import pytest
import typer.main
from ruamel.yaml import YAML

from labctl.cli.main import build
from labctl.config.model import LabSpec
from labctl.config.validate import validate
from tests import guide

STEPS = list(guide.steps())
COMMANDS = [step for step in STEPS if isinstance(step, guide.Command)]
FILES = [step for step in STEPS if isinstance(step, guide.File)]


def test_it_has_commands_for_both_kinds_of_machines() -> None:
    assert {command.vagrant_only for command in COMMANDS} == {True, False}


@pytest.mark.parametrize("command", COMMANDS, ids=lambda c: " ".join(c.words))
def test_each_command_is_one_that_labctl_parses(command: guide.Command) -> None:
    _parse(typer.main.get_command(build()), "labctl", list(command.words))


def _parse(command: Any, name: str, words: list[str], parent: Any = None) -> None:
    """Have click take the words apart, without running anything; it refuses what it cannot."""
    context = command.make_context(name, words, parent=parent)
    if isinstance(command, typer.core.TyperGroup):
        rest = [*context._protected_args, *context.args]
        chosen, inner, rest = command.resolve_command(context, rest)
        assert chosen is not None, rest
        _parse(inner, chosen, rest, context)


@pytest.mark.parametrize("file", FILES, ids=lambda f: f.path)
def test_each_file_is_one_that_can_be_read(file: guide.File) -> None:
    if file.path.endswith(".py"):
        ast.parse(file.text)
    else:
        assert isinstance(validate(YAML(typ="safe").load(file.text)), LabSpec)
