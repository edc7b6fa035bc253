"""Values of the command line: text without pydantic, everything else as Typer takes it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Annotated, Any

import pytest
import typer
from typer.core import TyperArgument, TyperOption
from typer.testing import CliRunner

from labctl.cli.values import HOOK, take_text_unvalidated

app = typer.Typer()


@app.command()
def command(
    words: Annotated[list[str] | None, typer.Argument()] = None,
    text: Annotated[str | None, typer.Option()] = None,
    plain: Annotated[str, typer.Option()] = "as it is",
    several: Annotated[list[str] | None, typer.Option()] = None,
    number: Annotated[int | None, typer.Option()] = None,
    path: Annotated[Path | None, typer.Option()] = None,
    flag: Annotated[bool, typer.Option()] = False,
) -> None:
    print([list(words or ()), text, plain, list(several or ()), number, str(path), flag])


@pytest.fixture
def unvalidated(monkeypatch: pytest.MonkeyPatch) -> None:
    for kind in (TyperOption, TyperArgument):
        monkeypatch.setattr(kind, HOOK, getattr(kind, HOOK))  # so that it is put back
    take_text_unvalidated()


def run(line: list[str]) -> Any:
    return CliRunner().invoke(app, line)


@pytest.mark.usefixtures("unvalidated")
@pytest.mark.parametrize(
    ("line", "values"),
    [
        ([], [[], None, "as it is", [], None, "None", False]),
        (["a", "-", " "], [["a", "-", " "], None, "as it is", [], None, "None", False]),
        (["--text", "", "--plain", "é"], [[], "", "é", [], None, "None", False]),
        (
            ["--several", "a", "--several", "b,c"],
            [[], None, "as it is", ["a", "b,c"], None, "None", False],
        ),
        (
            ["--number", "7", "--path", "a", "--flag"],
            [[], None, "as it is", [], 7, "a", True],
        ),
    ],
)
def test_a_command_gets_its_values(line: list[str], values: list[object]) -> None:
    result = run(line)
    assert (result.exit_code, result.output) == (0, f"{values}\n")


@pytest.mark.usefixtures("unvalidated")
@pytest.mark.parametrize("line", [["--number", "seven"], ["--number"], ["--nothing"]])
def test_a_wrong_command_line_is_refused(line: list[str]) -> None:
    assert run(line).exit_code == 2


PROGRAM = """
import sys
import typer
from labctl.cli.values import take_text_unvalidated

app = typer.Typer()

@app.command()
def command(words: list[str], text: str = "", other: str = typer.Option(None)) -> None:
    print(words, text, other, "pydantic" in sys.modules)

if sys.argv[1] == "spared":
    take_text_unvalidated()
app(sys.argv[2:])
"""


def imported(how: str) -> str:
    line = [sys.executable, "-c", PROGRAM, how, "a", "b", "--text", "c"]
    return subprocess.run(line, capture_output=True, text=True, check=True).stdout


def test_the_installed_typer_takes_text_without_pydantic() -> None:
    """This fails if Typer no longer has the method that is replaced."""
    assert imported("spared") == "['a', 'b'] c None False\n"


def test_it_would_import_pydantic_otherwise() -> None:
    """If this fails, Typer needs no help any more: remove `labctl.cli.values`."""
    assert imported("as it is") == "['a', 'b'] c None True\n"
