"""What README.md shows works, and the Chinese one says the same: sections, blocks, commands."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from labctl import playbook
from labctl.playbook import File, Packages, Service
from labctl.provision.loader import load
from tests.unit.fakes import CENTOS, lab_spec, planner

ROOT = Path(__file__).parents[2]
ENGLISH, CHINESE = ROOT / "README.md", ROOT / "README.zh-CN.md"
HOW = "; change README.md and README.zh-CN.md together"


@dataclass(frozen=True)
class Page:
    """What must not differ between languages."""

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
    return Page(
        [len(mark) for mark in re.findall(r"(?m)^(#+) ", rest)],
        blocks,
        [line.count(" | ") for line in rest.splitlines() if line.startswith("| ")],
        sorted(re.findall(r"`([^`]+)`", rest)),
        sorted(set(re.findall(r"\]\(([^)]+)\)", rest)) - {ENGLISH.name, CHINESE.name}),
    )


def _code(line: str) -> str:
    """Return a line of a block without a comment behind it: comments are translated."""
    return re.sub(r"( {2,}|^)# .*$", "", line).rstrip() or line.split("#", maxsplit=1)[0]


def test_both_have_the_same_sections_and_blocks() -> None:
    english, chinese = read(ENGLISH), read(CHINESE)
    assert english.headings == chinese.headings, HOW
    assert english.blocks == chinese.blocks, HOW
    assert english.tables == chinese.tables, HOW
    assert len(english.blocks) >= 5


def test_both_name_the_same_commands_and_places() -> None:
    english, chinese = read(ENGLISH), read(CHINESE)
    assert english.code == chinese.code, HOW
    assert english.links == chinese.links, HOW


def test_each_leads_to_the_other() -> None:
    assert f"({CHINESE.name})" in ENGLISH.read_text("utf-8").partition("\n## ")[0]
    assert f"({ENGLISH.name})" in CHINESE.read_text("utf-8").partition("\n## ")[0]


def test_the_chinese_one_is_chinese() -> None:
    """No paragraph was left as it was; what stands in both are blocks, code and tables' rules."""
    english = set(ENGLISH.read_text("utf-8").splitlines())
    prose = re.sub(r"(?ms)^```.*?^```$", "", CHINESE.read_text("utf-8")).splitlines()
    same = [line for line in prose if line in english and re.search("[a-z]{3} [a-z]{3}", line)]
    assert same == []


def _blocks(kind: str) -> list[str]:
    found = re.findall(r"(?ms)^```(\w+)\n(.*?)^```$", ENGLISH.read_text("utf-8"))
    return [body for name, body in found if name == kind]


@pytest.mark.parametrize("text", _blocks("yaml"))
def test_each_lab_yaml_is_valid(text: str) -> None:
    lab_spec(**YAML(typ="safe").load(text))


def test_the_playbook_can_be_played(tmp_path: Path) -> None:
    for text in _blocks("python"):
        place = re.match(r"# (playbooks/\S+)\n", text)
        assert place is not None
        file = tmp_path / place[1]
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, "utf-8")
    (book,) = load(["motd"], [tmp_path / "playbooks"])
    assert [type(each) for each in book.play(planner()(CENTOS, {}))] == [Packages, Service, File]
    assert book.verify is not None


def test_the_resources_are_there() -> None:
    (paragraph,) = re.findall(r"(?ms)^Resources: .*?\.\s", ENGLISH.read_text("utf-8"))
    names = set(re.findall(r"`(\w+)`", paragraph))
    assert len(names) > 15
    assert names <= set(playbook.__all__)
