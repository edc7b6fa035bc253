"""Values of the command line: texts as they are, everything else as Typer takes it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Annotated, Any

import pytest
import typer
from typer.core import TyperArgument, TyperOption
from typer.testing import CliRunner

from labctl.cli.values import spare

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
    print([words, text, plain, several, number, path, flag])


LINES: list[tuple[list[str], int]] = [
    ([], 0),
    (["a", "-", " "], 0),
    (["--text", "", "--plain", "é"], 0),
    (["--several", "a", "--several", "b,c"], 0),
    (["--number", "7", "--path", "a/b", "--flag"], 0),
    (["--number", "seven"], 2),
    (["--number"], 2),
    (["--nothing"], 2),
]


def outcome(line: list[str]) -> tuple[int, str]:
    result: Any = CliRunner().invoke(app, line)
    return result.exit_code, result.output


@pytest.mark.parametrize(("line", "exit_code"), LINES)
def test_what_typer_makes_of_them(
    line: list[str], exit_code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = outcome(line)
    assert before[0] == exit_code, before
    for kind in (TyperOption, TyperArgument):
        if hasattr(kind, "get_runtime_param"):  # so that it is put back
            monkeypatch.setattr(kind, "get_runtime_param", kind.get_runtime_param)
    spare()
    assert outcome(line) == before


def test_modules_that_were_spared_can_be_imported_afterwards() -> None:
    """Invoke finds no unittest.mock, and whoever imports it later does."""
    code = (
        "import sys, labctl.remote.connect\n"
        "assert not {'unittest', 'unittest.mock', 'asyncio'} & set(sys.modules)\n"
        "from unittest.mock import Mock\n"
        "assert Mock(return_value=3)() == 3\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
