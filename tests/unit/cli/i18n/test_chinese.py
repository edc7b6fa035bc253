"""labctl under a Chinese locale: people read Chinese; JSON and exit codes are as ever."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from labctl import errors
from labctl.checks.exercises.html import page
from labctl.checks.junit import junit
from labctl.cli import main as command_line
from labctl.cli.i18n import locale
from labctl.cli.output import errors as shown
from labctl.cli.output.lines import sentence
from labctl.cli.output.text_width import width
from labctl.config.packaged import packaged
from labctl.errors import LabctlError, Problem, SpecError
from labctl.events import ChangeStarted, Notice, Phase, PhaseEntered
from tests.unit.rehearsals import red

CHINESE = re.compile("[\u4e00-\u9fff]")


@pytest.fixture
def chinese(monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    monkeypatch.setenv("LANGUAGE", "")
    monkeypatch.setenv("LANG", "zh_CN.UTF-8")
    locale.activate()
    yield monkeypatch
    monkeypatch.setenv("LANGUAGE", "en")
    locale.activate()


def run(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *arguments: str
) -> tuple[int, str, str]:
    monkeypatch.setattr(sys, "argv", ["labctl", *arguments])
    capsys.readouterr()
    with pytest.raises(SystemExit) as ended:
        command_line.main()
    code = ended.value.code
    return (code if isinstance(code, int) else 0, *capsys.readouterr())


def test_the_second_column_of_help_is_one_column(
    chinese: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    _, out, _ = run(chinese, capsys, "up", "--help")
    options = out.partition("选项：\n")[2].splitlines()
    starts = {width(line[: found.start()]) for line in options if (found := CHINESE.search(line))}
    texts = {start for start in starts if start <= 27}
    assert texts == {27}, options


def test_the_first_lab_yaml_explains_itself_in_chinese(
    chinese: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    code, out, _ = run(chinese, capsys, "init", str(tmp_path))
    assert (code, bool(CHINESE.search(out))) == (0, True)
    assert "# 机器的数量" in (tmp_path / "lab.yaml").read_text("utf-8")
    chinese.setenv("LABCTL_LANG", "en")
    run(chinese, capsys, "init", str(tmp_path / "english"))
    assert not CHINESE.search((tmp_path / "english/lab.yaml").read_text("utf-8"))


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("upp",), 2, "没有命令 'upp'"),
        (("halt", "--lo"), 2, "没有选项：--lo"),
        (("up", "--nodes", "many"), 2, "的值无效：应为整数"),
        (("heal",), 2, "缺少参数"),
        (("render", "--nodes"), 2, "需要一个参数"),
        (("--lab", "nowhere", "render"), 2, "nowhere：没有这个实验环境"),
        (("render", "--provider", "virtualbx"), 2, "您是指 'virtualbox' 吗"),
        (("ssh", "nobody"), 2, "这个实验环境没有节点 'nobody'"),
        (("ssh",), 2, "哪个节点"),
        (("checkpoint", "save", "../x"), 2, "不能作为检查点的名称"),
        (("provision", "--only", "nothing"), 2, "'nothing'"),
    ],
)
def test_a_wrong_command_line_is_told_in_chinese_with_the_same_exit_code(
    chinese: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: tuple[str, ...],
    code: int,
    words: str,
) -> None:
    ended, out, err = run(chinese, capsys, *arguments)
    assert (ended, out) == (code, "")
    assert words in err
    assert "错误：" in err
    chinese.setenv("LANG", "en_US.UTF-8")
    ended, _, err = run(chinese, capsys, *arguments)
    assert (ended, bool(CHINESE.search(err))) == (code, False)


def test_no_arguments_are_help(
    chinese: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, err = run(chinese, capsys)
    assert (code, "选项：" in out + err) == (2, True)
    assert "错误" not in out + err


def family() -> list[type[LabctlError]]:
    """Return every class of errors."""
    return [
        cls
        for cls in vars(errors).values()
        if isinstance(cls, type) and issubclass(cls, LabctlError) and cls is not SpecError
    ]


@pytest.mark.parametrize("cls", family(), ids=lambda cls: cls.__name__)
def test_an_error_of_every_family_is_told_in_chinese(
    chinese: pytest.MonkeyPatch, cls: type[LabctlError]
) -> None:
    extra = {"resource": "file:/a"} if issubclass(cls, errors.ConvergeError) else {}
    error = cls(
        "docker-node1:2222 does not answer",
        hint="is the machine up, and its sshd? `labctl status` shows what answers",
        details="No route to host",
        node="docker-node1",
        **extra,  # type: ignore[arg-type]
    )
    assert shown.lines(error) == [
        "docker-node1: docker-node1:2222 没有响应",
        "  | 没有到主机的路由",
        "  提示：机器和它的 sshd 启动了吗？`labctl status` 会显示哪些节点有响应",
    ]
    data = shown.as_json(error)
    assert (data["message"], data["details"]) == (
        "docker-node1:2222 does not answer",
        "No route to host",
    )


def test_problems_of_lab_yaml_are_told_in_chinese(chinese: pytest.MonkeyPatch) -> None:
    problems = [
        Problem("nodes", "must be from 1 to 50, is 0", line=1, hint="in seconds, at most a day"),
        Problem("memory", "must be a whole number, is 'much'", line=2),
        Problem("the file", "must be a mapping (key: value), is a list", line=3),
        Problem("box", "must be a box name such as centos/7, is empty"),
    ]
    assert shown.lines(SpecError("lab.yaml", problems)) == [
        "lab.yaml：4 个问题，没有改动任何东西",
        "  第 1 行：nodes：必须在 1 到 50 之间，现为 0",
        "      单位秒，最多一天",
        "  第 2 行：memory：必须是整数，现为 'much'",
        "  第 3 行：整个文件：必须是映射（键: 值），现为 列表",
        "  box：必须是 box 名称，例如 centos/7，现为空",
    ]


def test_json_stays_english(
    chinese: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("lab.yaml").write_text("nodes: 0\nmachines: []\n", "utf-8")
    for arguments in (
        ("--json", "status"),
        ("doctor", "--json", "--offline"),
        ("render", "--json"),
    ):
        _, out, _ = run(chinese, capsys, *arguments)
        assert not CHINESE.search(out), out
    Path("lab.yaml").unlink()
    _, out, _ = run(chinese, capsys, "doctor", "--json", "--offline")
    assert not CHINESE.search(out)
    assert {json.loads(line)["event"] for line in out.splitlines()} == {"finding"}


def test_files_stay_english(
    chinese: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for arguments in (("schema",), ("render", "--provider", "libvirt")):
        code, out, _ = run(chinese, capsys, *arguments)
        assert code == 0
        assert not CHINESE.search(out)


def test_events_are_told_in_chinese(chinese: pytest.MonkeyPatch) -> None:
    told = [
        sentence(event, verbose=True)
        for event in (
            PhaseEntered("a", Phase.BOOTING, "for docker-node1"),
            PhaseEntered("a", Phase.FAILED, "2 checks failed"),
            ChangeStarted("a", "engine", "x", "enable and start docker", "", check=True),
            ChangeStarted("a", "engine", "x", "install docker-ce 19.03.9", "", check=False),
            Notice("a", "the connection broke: timed out"),
        )
    ]
    assert told == [
        "启动中: 等待 docker-node1",
        "失败: 2 个检查项失败",
        "engine: 将会启用并启动 docker",
        "engine: 安装 docker-ce 19.03.9",
        "连接中断：超时",
    ]


def test_tables_have_straight_columns(
    chinese: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from labctl.cli.output.tables import print_table

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
    chinese: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("lab.yaml").write_text("machines: [{name: a, host: 127.0.0.1}]\n", "utf-8")
    _, out, _ = run(chinese, capsys, "doctor", "--offline")
    rows = [line for line in out.splitlines() if line and not line.startswith(" ")][:-1]
    starts = {width(row[: row.rindex("  ") + 2]) for row in rows}
    assert len(rows) >= 2
    assert len(starts) == 1, out


def test_english_loads_no_catalogue() -> None:
    program = (
        "import sys; sys.argv = ['labctl', '--help']\n"
        "from labctl.cli.main import main\n"
        "try:\n    main()\nexcept SystemExit:\n    pass\n"
        "print('labctl.cli.i18n.catalogue' in sys.modules, 'labctl.cli.i18n.help' in sys.modules)\n"
    )
    for tongue, loaded in (("en", "False False"), ("zh", "True True")):
        done = subprocess.run(
            [sys.executable, "-c", program],
            cwd=Path(__file__).parents[4],
            env={"LABCTL_LANG": tongue, "PYTHONUTF8": "1", "PATH": ""},
            capture_output=True,
            encoding="utf-8",
            timeout=120,
            check=True,
        )
        assert done.stdout.splitlines()[-1] == loaded


def test_a_name_that_is_a_word_is_left_alone(chinese: pytest.MonkeyPatch) -> None:
    """Only what has a blank in it can be a sentence inside a sentence."""
    assert locale.translated("this lab has no node 'failed'") == "这个实验环境没有节点 'failed'"
    assert locale.translated("cannot read node: Permission denied").startswith("无法读取 node：")


def test_what_is_not_known_stays_as_it_is(chinese: pytest.MonkeyPatch) -> None:
    for text in ("", "Bringing machine up...", "{} {0} {x}", "a: b: c", "%s"):
        assert locale.translated(text) == text


def test_what_is_written_for_programs_and_colleagues_stays_english(
    chinese: pytest.MonkeyPatch,
) -> None:
    shown = red()
    page_of_it = page(shown, (packaged("templates"),))
    assert "FAILED" in page_of_it.upper()
    assert not CHINESE.search(page_of_it)
    assert not CHINESE.search(junit([result.value for result in shown.results if result.value]))
