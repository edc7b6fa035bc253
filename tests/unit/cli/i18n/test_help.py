"""Nothing that people read lacks a Chinese translation.

A message without one: run `make messages`, write its Chinese into the empty msgstr in
labctl/locale/zh_CN/LC_MESSAGES/labctl.po (the glossary stands at its top), and run it again.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import typer

from labctl.cli import main as command_line
from labctl.cli.i18n import locale
from labctl.cli.output.text_width import width
from labctl.config import load
from labctl.errors import SpecError
from labctl.machines.providers import faults_of
from tools.messages import store
from tools.messages.sentences import Found

CHINESE = re.compile("[\u4e00-\u9fff]")
HELP = (
    "; run `make messages`, write the Chinese into the empty msgstr in "
    "labctl/locale/zh_CN/LC_MESSAGES/labctl.po, and run `make messages` again"
)
NAMES = set(
    """all centos chapter5 compose config course ctrl-c docker docker-node docker-node1 docker-noden
    dockerd html int json junit lab labctl latest-el7 libvirt list mib playbook provider root rsync
    schema scp shell ssh ssh_config str sudo traceback up vagrant vagrantfile virtualbox xml
    yaml""".split()  # noqa: SIM905
)
"""What has the same name in every language."""
TYPED = re.compile(
    r"`[^`]*`|'[^']*'|\{[^}]*\}|<[^>]*>|(?<!\w)--?[A-Za-z][\w-]*|~?[\w.]*/[\w./-]*|[\w-]+\.[\w.-]+"
)
"""What is typed as it stands: in quotes, an option, a path, a file."""


@cache
def messages() -> tuple[Found, ...]:
    return tuple(store.messages())


def test_every_message_is_translated() -> None:
    catalogue = store.load("zh_CN")
    wanted = [found.message for found in messages()]
    missing = [m for m in wanted if not (known := catalogue.get(m)) or not known.string]
    assert not missing, f"no Chinese for {missing}{HELP}"
    fuzzy = [str(m.id) for m in catalogue if m.id and m.fuzzy]
    assert not fuzzy, f"take the mark 'fuzzy' off what is right now: {fuzzy}"


def test_no_message_is_kept_that_is_gone() -> None:
    gone = {str(m.id) for m in store.load("zh_CN") if m.id} - {f.message for f in messages()}
    assert not gone, f"`make messages` removes {sorted(gone)}"


def commands(command: Any, words: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Yield the words of every command, of groups too."""
    yield words
    for name, below in getattr(command, "commands", {}).items():
        yield from commands(below, (*words, name))


COMMANDS = list(commands(typer.main.get_command(command_line.build())))


def left_over(text: str) -> list[str]:
    """Return the English words of a help text that are neither names nor to be typed."""
    names = NAMES | {word for words in COMMANDS for word in words}
    found = []
    # An argument stands there by its name.
    for line in re.sub(r"(?m)^  [a-z_]+ +<", "  <", text).splitlines():
        if line.strip().startswith("labctl "):  # an example
            continue
        for word in re.findall(r"[A-Za-z][\w-]+", TYPED.sub(" ", line)):
            if not re.fullmatch(r"[A-Z_0-9-]+", word) and word.lower() not in names:
                found.append(f"{word!r} in {line.strip()!r}")
    return found


def test_what_is_english_is_found() -> None:
    assert left_over("用法：labctl up [选项]\n  -n, --nodes N  节点数量。\n  labctl ssh NODE") == []
    assert left_over("  Options:")
    assert left_over("  --json  Print JSON lines 而不是文本")


@pytest.fixture
def chinese(monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    monkeypatch.setenv("LABCTL_LANG", "zh")
    locale.activate()
    yield monkeypatch
    monkeypatch.setenv("LABCTL_LANG", "en")
    locale.activate()


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_help_is_chinese_throughout(
    chinese: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], words: tuple[str, ...]
) -> None:
    chinese.setattr(sys, "argv", ["labctl", *words, "--help"])
    with pytest.raises(SystemExit) as ended:
        command_line.main()
    out, err = capsys.readouterr()
    assert (ended.value.code, err) == (0, "")
    assert f"{' '.join(('labctl', *words))} [选项]" in out.splitlines()[0]
    left = left_over(out.partition("\n")[2])
    assert not left, f"{left}{HELP}"
    assert all(width(line) <= 100 for line in out.splitlines())


CASES = sorted((Path(__file__).parents[3] / "errors").glob("*.yaml"))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.stem)
def test_whatever_is_wrong_in_lab_yaml_is_told_in_chinese(
    chinese: pytest.MonkeyPatch, case: Path
) -> None:
    with pytest.raises(SpecError) as caught:
        load.load(case, further=faults_of)
    for problem in caught.value.problems:
        for text in (problem.message, problem.hint):
            assert not text or CHINESE.search(locale.translated(text)), text + HELP
