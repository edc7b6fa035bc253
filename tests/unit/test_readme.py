"""README.md stays short and true, and the Chinese one has the same sections, blocks and links."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ENGLISH, CHINESE = ROOT / "README.md", ROOT / "README.zh-CN.md"
HOW = "; change README.md and README.zh-CN.md together"


@dataclass(frozen=True)
class Page:
    """Parts that must not differ between languages."""

    headings: list[int]
    blocks: list[tuple[str, str]]
    tables: list[int]
    code: list[str]
    links: list[str]


def read(path: Path) -> Page:
    """Return the levels of headings, the blocks without comments, rows, code and links."""
    text = path.read_text("utf-8")
    found = re.findall(r"(?ms)^```(\w*)\n(.*?)^```$", text)
    blocks = [(kind, "\n".join(map(_code, body.splitlines()))) for kind, body in found]
    rest = re.sub(r"(?ms)^```.*?^```$", "", text)
    links = set(re.findall(r"\]\(([^)]+)\)", rest)) - {ENGLISH.name, CHINESE.name}
    return Page(
        [len(mark) for mark in re.findall(r"(?m)^(#+) ", rest)],
        blocks,
        [line.count(" | ") for line in rest.splitlines() if line.startswith("| ")],
        sorted(re.findall(r"`([^`]+)`", rest)),
        sorted(link for link in links if not link.startswith("docs/zh/")),
    )


def _code(line: str) -> str:
    """Return a line of a block without a comment behind it: comments are translated."""
    return re.sub(r"( {2,}|^)# .*$", "", line).rstrip() or line.split("#", maxsplit=1)[0]


@pytest.mark.parametrize("path", [ENGLISH, CHINESE], ids=lambda path: path.name)
def test_it_can_be_read_in_one_go(path: Path) -> None:
    assert len(path.read_text("utf-8").splitlines()) <= 150


def test_both_have_the_same_sections_and_blocks() -> None:
    english, chinese = read(ENGLISH), read(CHINESE)
    assert english.headings == chinese.headings, HOW
    assert english.blocks == chinese.blocks, HOW
    assert english.tables == chinese.tables, HOW
    assert len(english.blocks) >= 4


def test_both_name_the_same_commands_and_places() -> None:
    english, chinese = read(ENGLISH), read(CHINESE)
    assert english.code == chinese.code, HOW
    assert english.links == chinese.links, HOW


def test_each_leads_to_the_other() -> None:
    assert f"({CHINESE.name})" in ENGLISH.read_text("utf-8").partition("\n## ")[0]
    assert f"({ENGLISH.name})" in CHINESE.read_text("utf-8").partition("\n## ")[0]


@pytest.mark.parametrize("path", [ENGLISH, CHINESE], ids=lambda path: path.name)
def test_every_link_leads_to_a_file(path: Path) -> None:
    found = re.findall(r"\]\((?!https?:|#)([^)#]+)", path.read_text("utf-8"))
    assert [link for link in found if not (ROOT / link).exists()] == []


def test_the_chinese_one_is_chinese() -> None:
    """No paragraph was left as it was; what stands in both are blocks, code and tables' rules."""
    english = set(ENGLISH.read_text("utf-8").splitlines())
    prose = re.sub(r"(?ms)^```.*?^```$", "", CHINESE.read_text("utf-8")).splitlines()
    same = [line for line in prose if line in english and re.search("[a-z]{3} [a-z]{3}", line)]
    assert same == []
