"""Bad input as data: each tests/errors/NAME.yaml beside the messages that it must cause.

A line of NAME.txt is "line N: where: message"; a hint follows, indented. LABCTL_UPDATE_GOLDEN=1
rewrites the files. Read the difference before you commit it: users will see these sentences.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from labctl.config import document
from labctl.config.load import resolve
from labctl.errors import Problem, SpecError
from labctl.machines import virtualbox
from labctl.machines.providers import faults_of

CASES = sorted((Path(__file__).parents[2] / "errors").glob("*.yaml"))


@pytest.fixture(autouse=True)
def _host_without_networks_conf(monkeypatch: pytest.MonkeyPatch) -> None:
    """The tests must not depend on what VirtualBox allows on this machine."""
    monkeypatch.setattr(virtualbox, "NETWORKS_CONF", "/no-such-folder/networks.conf")
    monkeypatch.setattr("sys.platform", "linux")


def written(problem: Problem, folder: Path) -> str:
    """Return a problem as the files have it; the lab's folder is LAB."""
    hint = f"  {problem.hint}\n" if problem.hint else ""
    text = f"line {problem.line}: {problem.where}: {problem.message}\n{hint}"
    return text.replace(folder.as_posix(), "LAB")


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.stem)
def test_every_problem_has_its_line_and_hint(case: Path, tmp_path: Path) -> None:
    for name in ("app", "labs", "src", "web", "x"):
        (tmp_path / name).mkdir()
    with pytest.raises(SpecError) as caught:
        resolve(document.read(case), {}, tmp_path, further=faults_of)
    text = "".join(written(problem, tmp_path) for problem in caught.value.problems)
    expected = case.with_suffix(".txt")
    if os.environ.get("LABCTL_UPDATE_GOLDEN"):
        expected.write_text(text, "utf-8", newline="\n")
    assert text == expected.read_text("utf-8")
    assert caught.value.exit_code == 2
    numbers = [problem.line or 0 for problem in caught.value.problems]
    assert numbers == sorted(numbers)


def test_there_are_as_many_messages_as_cases() -> None:
    texts = {path.stem for path in CASES[0].parent.glob("*.txt")}
    assert texts == {case.stem for case in CASES}
    assert len(texts) >= 30
