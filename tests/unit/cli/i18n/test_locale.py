"""Which language labctl speaks, and on which terminals; and columns for wide characters."""

from __future__ import annotations

import io
import plistlib
import sys
from pathlib import Path

import pytest

from labctl.cli.i18n import locale
from labctl.cli.i18n.locale import chosen, first_known
from labctl.cli.output import text_width

CHOICES: list[tuple[dict[str, str], str]] = [
    ({}, ""),
    ({"LANG": "C.UTF-8"}, ""),
    ({"LANG": "en_US.UTF-8"}, ""),
    ({"LANG": "zh_CN.UTF-8"}, "zh_CN"),
    ({"LANG": "zh_CN.GBK"}, "zh_CN"),
    ({"LANG": "zh"}, "zh_CN"),
    ({"LANG": "zh_SG.UTF-8@pinyin"}, "zh_CN"),
    ({"LANG": "zh_TW.UTF-8"}, "zh_CN"),
    ({"LANG": "zh_HK"}, "zh_CN"),
    ({"LANG": "zh-Hans-CN"}, "zh_CN"),
    ({"LANG": "Chinese (Simplified)_China.936"}, "zh_CN"),
    # gettext's order: LANGUAGE, LC_ALL, LC_MESSAGES, LANG; an empty one counts as not set.
    ({"LANGUAGE": "zh_CN", "LC_ALL": "C.UTF-8"}, "zh_CN"),
    ({"LANGUAGE": "en", "LANG": "zh_CN.UTF-8"}, ""),
    ({"LANGUAGE": "fr:zh_CN:en"}, "zh_CN"),
    ({"LANGUAGE": "en_GB:zh_CN"}, ""),
    ({"LANGUAGE": "", "LC_ALL": "zh_CN.UTF-8", "LANG": "C"}, "zh_CN"),
    ({"LC_ALL": "C", "LC_MESSAGES": "zh_CN.UTF-8"}, ""),
    ({"LC_MESSAGES": "zh_CN.UTF-8", "LANG": "en_US.UTF-8"}, "zh_CN"),
    ({"LC_MESSAGES": "de_DE.UTF-8"}, ""),
    # labctl's own wins over all of them.
    ({"LABCTL_LANG": "zh", "LANGUAGE": "en", "LC_ALL": "C"}, "zh_CN"),
    ({"LABCTL_LANG": "en", "LANG": "zh_CN.UTF-8"}, ""),
]


@pytest.mark.parametrize(("environ", "expected"), CHOICES)
def test_the_environment_chooses(environ: dict[str, str], expected: str) -> None:
    assert chosen(environ, "linux") == expected


def test_a_territory_with_a_catalogue_of_its_own_gets_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("zh_CN", "zh_TW"):
        compiled = tmp_path / name / "LC_MESSAGES/labctl.mo"
        compiled.parent.mkdir(parents=True)
        compiled.touch()
    monkeypatch.setattr(locale, "LOCALES", tmp_path)
    assert [first_known([tag]) for tag in ("zh_TW", "zh_HK", "zh_CN.UTF-8")] == [
        *("zh_TW", "zh_CN", "zh_CN")
    ]


def test_the_desktop_s_language_counts_on_macos(tmp_path: Path) -> None:
    assert chosen({}, "darwin", tmp_path) == ""
    place = tmp_path / "Library/Preferences/.GlobalPreferences.plist"
    place.parent.mkdir(parents=True)
    place.write_bytes(plistlib.dumps({"AppleLanguages": ["zh-Hans-CN", "en-CN"]}))
    assert chosen({}, "darwin", tmp_path) == "zh_CN"
    assert chosen({"LANG": "en_US.UTF-8"}, "darwin", tmp_path) == ""
    place.write_bytes(b"no plist")
    assert chosen({}, "darwin", tmp_path) == ""


@pytest.mark.parametrize(("number", "expected"), [(0x0804, "zh_CN"), (0x0409, ""), (0, "")])
def test_the_desktop_s_language_counts_on_windows(
    monkeypatch: pytest.MonkeyPatch, number: int, expected: str
) -> None:
    """The double stands for Windows' own library, which is asked for the user's language."""
    import ctypes

    class Library:
        class kernel32:  # noqa: N801
            @staticmethod
            def GetUserDefaultUILanguage() -> int:  # noqa: N802
                return number

    monkeypatch.setattr(ctypes, "windll", Library, raising=False)
    assert chosen({}, "win32") == expected


@pytest.mark.parametrize(
    ("encoding", "chinese"), [("utf-8", True), ("gbk", True), ("cp936", True), ("ascii", False)]
)
def test_no_terminal_makes_it_crash(
    monkeypatch: pytest.MonkeyPatch, encoding: str, chinese: bool
) -> None:
    """Chinese goes to a terminal that can show it; what a terminal cannot show becomes "?"."""
    raw = io.BytesIO()
    for name in ("stdout", "stderr"):
        monkeypatch.setattr(sys, name, io.TextIOWrapper(raw, encoding=encoding))
    locale.activate({"LABCTL_LANG": "zh"})
    assert locale.is_english() is not chinese
    print("一切正常 → ✓ 🐳" if chinese else "all is well → ✓ 🐳", flush=True)
    shown = raw.getvalue().decode(encoding)
    assert shown.startswith("一切正常" if chinese else "all is well")
    monkeypatch.undo()
    locale.activate({"LABCTL_LANG": "en"})


def test_columns_are_counted_in_places_of_the_terminal() -> None:
    assert [text_width.width(text) for text in ("node", "节点", "a节点…", "é")] == [4, 4, 6, 1]
    assert text_width.ljust("节点", 6) == "节点  "


def test_lines_are_broken_between_characters_and_not_before_a_full_stop() -> None:
    text = "启动实验环境：虚拟机、Docker、检查项，（已经在运行的机器只做配置）。"
    for limit in range(12, 60):
        lines = text_width.fill(text, limit, first="  ", others="    ").splitlines()
        assert all(text_width.width(line) <= limit for line in lines)
        assert "".join(line.strip() for line in lines) == text
        assert not any(line.strip()[0] in "，。：、）" for line in lines)
        assert not any(line.strip()[-1] == "（" for line in lines)


@pytest.mark.parametrize("words", ["one two three four", "一二三四五六七"])
def test_a_command_in_backticks_stays_on_a_line(words: str) -> None:
    text = f"{words} `labctl exec -- docker system df` {words}"
    lines = text_width.fill(text, 40, others="  ").splitlines()
    assert any("`labctl exec -- docker system df`" in line for line in lines)
    assert all(text_width.width(line) <= 40 for line in lines)
    narrow = text_width.fill(text, 20, others="  ").splitlines()
    assert all(text_width.width(line) <= 20 for line in narrow)


def test_english_is_broken_as_ever() -> None:
    import textwrap

    text = "Bring the lab up: machines, Docker, checks; what is there is left alone."
    expected = textwrap.fill(text, 30, initial_indent="  ", subsequent_indent="    ")
    assert text_width.fill(text, 30, first="  ", others="    ") == expected
