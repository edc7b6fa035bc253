"""Text for people is translated when it is printed; what has no translation stays English."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from gettext import GNUTranslations
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
import typer
from babel.messages.catalog import Catalog
from babel.messages.mofile import write_mo

from labctl import errors
from labctl.checks.exercises.html import page
from labctl.checks.junit import junit
from labctl.cli import main as command_line
from labctl.cli.i18n import locale
from labctl.cli.i18n.locale import _
from labctl.cli.output import errors as shown
from labctl.cli.output.lines import sentence
from labctl.cli.output.text_width import width
from labctl.config.packaged import packaged
from labctl.errors import LabctlError, Problem, SpecError
from labctl.events import ChangeStarted, Notice, Phase, PhaseEntered
from labctl.messages import joined, msg
from tests.unit.rehearsals import red


def run(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *arguments: str
) -> tuple[int, str, str]:
    monkeypatch.setattr(sys, "argv", ["labctl", *arguments])
    capsys.readouterr()
    with pytest.raises(SystemExit) as ended:
        command_line.main()
    code = ended.value.code
    return (code if isinstance(code, int) else 0, *capsys.readouterr())


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """A language with these messages."""
    catalogue = Catalog()
    for message, translation in {
        "cannot read {path}: {why}": "{why}：无法读取 {path}",
        "{count:,} files": "{count:,} 个文件",
        "{word!r} is unknown": "未知：{word!r}",
        "No such file or directory": "没有这个文件",
        "no problems found": "一切正常",
        "failed": "失败",
        "{first}; {then}": "{first}；{then}",
    }.items():
        catalogue.add(message, translation)
    file = BytesIO()
    write_mo(file, catalogue)
    file.seek(0)
    monkeypatch.setattr(locale._Chosen, "translations", GNUTranslations(file))


@pytest.mark.usefixtures("few")
def test_a_template_is_translated_and_its_values_are_put_in() -> None:
    why = "No such file or directory"
    assert _(msg("cannot read {path}: {why}", path="/a", why=why)) == "没有这个文件：无法读取 /a"
    assert _("{count:,} files", count=1200) == "1,200 个文件"
    assert _("{word!r} is unknown", word="x") == "未知：'x'"
    assert _("no problems found") == "一切正常"


@pytest.mark.usefixtures("few")
def test_messages_inside_messages_are_translated() -> None:
    inner = msg("{count:,} files", count=2)
    assert _(msg("{what}, {state}", what=inner, state=msg("failed"))) == "2 个文件, 失败"
    assert _(joined([msg("no problems found"), inner])) == "一切正常；2 个文件"
    assert _(inner + ", all is new") == "2 个文件, all is new"


@pytest.mark.usefixtures("few")
def test_what_has_no_translation_stays_as_it_is() -> None:
    for text in ("", "Bringing machine up...", "{} {0} {x}", "a: b: c", "%s"):
        assert _(text) == text
    assert _(msg("{node} is new", node="a")) == "a is new"


@pytest.mark.usefixtures("few")
def test_a_name_that_is_a_word_is_left_alone() -> None:
    assert _(msg("cannot read {path}: {why}", path="failed", why="1")) == "1：无法读取 failed"


def commands(command: Any, words: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Yield the words of every command, of groups too."""
    yield words
    for name, below in getattr(command, "commands", {}).items():
        yield from commands(below, (*words, name))


@pytest.mark.parametrize(
    "words", list(commands(typer.main.get_command(command_line.build()))), ids=" ".join
)
def test_help_goes_through_translation(
    marked: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], words: tuple[str, ...]
) -> None:
    code, out, err = run(marked, capsys, *words, "--help")
    assert (code, err) == (0, "")
    first, *lines = out.splitlines()
    assert first.startswith("《Usage: 》")
    assert f"{' '.join(('labctl', *words))} 《[OPTIONS]》" in first
    assert all(width(line) <= 100 for line in lines)
    inside = False  # a text that goes on for several lines
    for line in filter(None, lines):
        if inside or "《" in line:
            inside = line.rfind("《") > line.rfind("》") or (inside and "》" not in line)
        else:
            assert line.strip().startswith("labctl "), f"{line!r} was not translated"


def test_the_second_column_of_help_is_one_column(
    marked: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    _code, out, _err = run(marked, capsys, "up", "--help")
    options = out.partition("《Options》")[2].partition("《Examples》")[0].splitlines()
    starts = {width(line.partition("《")[0]) for line in options if "  《" in line}
    assert starts == {27}, options


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("upp",), "《unknown command `{command} {name}`》"),
        (("halt", "--lo"), "《No such option: {name}"),
        (("up", "--nodes", "many"), "《{flag} must be a whole number, is {value}》"),
        (("heal",), "《Missing argument {name}》"),
        (("render", "--nodes"), "《Option {name} requires an argument"),
    ],
)
def test_typers_messages_are_translated(
    marked: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: tuple[str, ...],
    words: str,
) -> None:
    code, out, err = run(marked, capsys, *arguments)
    assert (code, out) == (2, "")
    assert "《error: 》" in err
    shape = ".+".join(map(re.escape, re.split(r"\{\w+\}", words)))
    assert re.search(shape, err), err


def test_no_arguments_are_help(
    marked: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, err = run(marked, capsys)
    assert (code, "《Options》" in out + err) == (2, True)
    assert "Error" not in out + err


def family() -> list[type[LabctlError]]:
    """Return every class of errors."""
    return [
        cls
        for cls in vars(errors).values()
        if isinstance(cls, type) and issubclass(cls, LabctlError) and cls is not SpecError
    ]


@pytest.mark.usefixtures("marked")
@pytest.mark.parametrize("cls", family(), ids=lambda cls: cls.__name__)
def test_an_error_is_translated_for_people_and_not_for_programs(cls: type[LabctlError]) -> None:
    extra = {"resource": "file:/a"} if issubclass(cls, errors.ConvergeError) else {}
    error = cls(
        msg("{host} does not answer", host="10.0.0.1"),
        hint="is the machine up?",
        details="No route to host",
        node="docker-node1",
        **extra,  # type: ignore[arg-type]
    )
    assert shown.lines(error) == [
        "docker-node1《: 》《10.0.0.1 does not answer》",
        "  | 《No route to host》",
        "  《hint: 《is the machine up?》》",
    ]
    data = shown.as_json(error)
    assert (data["message"], data["hint"], data["details"]) == (
        *("10.0.0.1 does not answer", "is the machine up?", "No route to host"),
    )


@pytest.mark.usefixtures("marked")
def test_problems_of_lab_yaml_are_translated() -> None:
    problems = [
        Problem("nodes", msg("must be from {low} to {high}", low=1, high=50), 1, "at most a day"),
        Problem(msg("the file"), msg("must be {wanted}", wanted=msg("a mapping")), line=3),
    ]
    assert shown.lines(SpecError("lab.yaml", problems)) == [
        "《lab.yaml: 《2 problems》, nothing was touched》",
        "  《line 1: 》nodes《: 》《must be from 1 to 50》",
        "      《at most a day》",
        "  《line 3: 》《the file》《: 》《must be 《a mapping》》",
    ]


@pytest.mark.usefixtures("marked")
def test_events_are_translated() -> None:
    enable = joined([msg("enable"), msg("start")], "{first} and {then}")
    events = (
        PhaseEntered("a", Phase.BOOTING, msg("for {node}", node="b")),
        ChangeStarted("a", "engine", "x", enable, "", check=True),
        ChangeStarted("a", "engine", "x", msg("install {names}", names="a"), "", check=False),
        Notice("a", msg("the connection broke: {why}", why="timed out")),
    )
    assert [sentence(event, verbose=True) for event in events] == [
        "《booting》《: 》《for b》",
        "engine《: 》《would 《《enable》 and 《start》》》",
        "engine《: 》《install a》",
        "《the connection broke: 《timed out》》",
    ]


def test_json_stays_english(marked: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    Path("lab.yaml").write_text("nodes: 0\nmachines: []\n", "utf-8")
    for arguments in (
        ("--json", "status"),
        ("doctor", "--json", "--offline"),
        ("render", "--json"),
    ):
        _code, out, _err = run(marked, capsys, *arguments)
        assert "《" not in out
    Path("lab.yaml").unlink()
    _code, out, _err = run(marked, capsys, "doctor", "--json", "--offline")
    assert "《" not in out
    assert {json.loads(line)["event"] for line in out.splitlines()} == {"finding"}


def test_files_stay_english(marked: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    for arguments in (("schema",), ("render", "--provider", "libvirt")):
        code, out, _err = run(marked, capsys, *arguments)
        assert code == 0
        assert "《" not in out
    rehearsal = red()
    assert "《" not in page(rehearsal, (packaged("templates"),))
    assert "《" not in junit([result.value for result in rehearsal.results if result.value])


def test_the_first_lab_yaml_explains_itself_in_chinese(
    chinese: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    code, _out, _err = run(chinese, capsys, "init", str(tmp_path))
    assert code == 0
    assert "# 机器的数量" in (tmp_path / "lab.yaml").read_text("utf-8")
    chinese.setenv("LABCTL_LANG", "en")
    run(chinese, capsys, "init", str(tmp_path / "english"))
    assert (tmp_path / "english/lab.yaml").read_text("utf-8").isascii()


@pytest.mark.usefixtures("chinese")
def test_tables_have_straight_columns(capsys: pytest.CaptureFixture[str]) -> None:
    from labctl.cli.output.table import print_table

    print_table(
        ["节点", "状态", "地址"], [["a", "运行中", "10.0.0.1"], ["docker-node10", "-", "x"]]
    )
    lines = capsys.readouterr().out.splitlines()
    assert lines == [
        "节点           状态    地址",
        "a              运行中  10.0.0.1",
        "docker-node10  -       x",
    ]


def test_a_doctor_s_columns_are_straight(
    marked: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("lab.yaml").write_text("machines: [{name: a, host: 127.0.0.1}]\n", "utf-8")
    _code, out, _err = run(marked, capsys, "doctor", "--offline")
    rows = [line for line in out.splitlines() if line and not line.startswith(" ")][:-1]
    starts = {width(row[: row.rindex("  ") + 2]) for row in rows}
    assert len(rows) >= 2
    assert len(starts) == 1, out


PROGRAM = """
import sys; sys.argv = ["labctl", "--help"]
from labctl.cli.main import main
try:
    main()
except SystemExit:
    pass
print("gettext" in sys.modules and "labctl.cli.output.help" in sys.modules)
"""


@pytest.mark.parametrize(("language", "loaded"), [("en", "False"), ("zh", "True")])
def test_english_does_not_pay_for_translation(language: str, loaded: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        cwd=Path(__file__).parents[4],
        env={"LABCTL_LANG": language, "PYTHONUTF8": "1", "PATH": ""},
        capture_output=True,
        encoding="utf-8",
        timeout=120,
        check=True,
    )
    *help_, last = done.stdout.splitlines()
    assert last == loaded
    assert "\n".join(help_).isascii() == (language == "en")
