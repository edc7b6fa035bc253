"""The catalogues fit their messages, and Babel finds messages where labctl has them."""

from __future__ import annotations

import re
from io import BytesIO
from pathlib import Path
from string import Formatter

import pytest
from babel.messages.pofile import read_po

from labctl.cli.i18n.locale import LOCALES
from tools.messages.extract import extract, unmarked

ROOT = Path(__file__).parents[3]
CATALOGUES = sorted(LOCALES.glob("*/LC_MESSAGES/labctl.po"))


def entries(path: Path) -> list[tuple[str, str]]:
    """Return (message, translation) for what is translated."""
    with path.open("rb") as file:
        return [(str(m.id), str(m.string)) for m in read_po(file) if m.id and m.string]


def values(template: str) -> set[str]:
    """Return the names of the values in a template; none if it is just a text with braces."""
    try:
        return {str(name) for _, name, _, _ in Formatter().parse(template) if name is not None}
    except ValueError:
        return set()


@pytest.mark.parametrize("path", CATALOGUES, ids=lambda path: path.parts[-3])
def test_a_translation_has_the_values_of_its_message(path: Path) -> None:
    wrong = [(m, t) for m, t in entries(path) if values(m) != values(t)]
    assert wrong == []


@pytest.mark.parametrize("path", CATALOGUES, ids=lambda path: path.parts[-3])
def test_a_translation_keeps_line_breaks_and_blanks(path: Path) -> None:
    wrong = [
        (message, translation)
        for message, translation in entries(path)
        if message.count("\n") != translation.count("\n")
        or (translation.endswith(" ") and not message.endswith(" "))
        or (message.startswith("  ") and not translation.startswith("  "))
    ]
    assert wrong == []


SOURCE = '''
class State(StrEnum):
    """A docstring is no message."""
    RUNNING = "running"

def speak(x, y):
    """A docstring is no message."""
    run("echo not this one")
    hint = msg("try {what}", what="not this value")
    raise UsageError(msg("{x} broke", x=x) if x else "nothing broke", hint="look at the log")
    error.hint = "see there"
    typer.echo(_("all is well"))
    emit(Notice("node name", f"an f-string of {x}"))
    return Change(joined([x], "{first} then {then}"), "set -e; this is a script")
'''


def found(name: str, source: str) -> set[str]:
    """Return the messages of a file."""
    file = BytesIO(source.encode())
    file.name = str(ROOT / name)
    return {message for _, _, message, _ in extract(file, {}, (), {})}


def test_messages_are_found_where_people_read_them() -> None:
    assert found("labctl/x.py", SOURCE) == {
        *("running", "try {what}", "{x} broke", "nothing broke", "look at the log"),
        *("see there", "all is well", "{first} then {then}"),
    }


def test_titles_and_failures_of_exercises_are_found() -> None:
    source = '''
def test_volume(sandbox):
    """a volume outlives its container

    More of it.
    """
    assert sandbox, "the volume is gone"
'''
    titles = {"a volume outlives its container", "the volume is gone"}
    assert found("course/x.py", source) == titles


def test_the_help_of_commands_is_found() -> None:
    texts = found("labctl/cli/main.py", "")
    assert {"Print the version.", "Write the result as JUnit XML."} <= texts
    assert not any(re.match("labctl ", text) for text in texts), "examples are the same everywhere"


def test_f_strings_in_the_place_of_messages_are_reported() -> None:
    assert list(unmarked(SOURCE, exercises=False)) == [13]
    source = "def test_a():\n    assert x, f'{x} is wrong'\n"
    assert list(unmarked(source, exercises=True)) == [2]
    assert list(unmarked(source, exercises=False)) == []
