"""Bad input as data: each tests/errors/NAME.yaml beside the messages that it must cause.

A line of NAME.txt is "line N: where: message". LABCTL_UPDATE_GOLDEN=1 writes them anew; read the
difference before it is committed, for these are the sentences that people get to see.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from labctl.config import load
from labctl.errors import SpecError
from labctl.machines import virtualbox
from labctl.machines.providers import faults_of

CASES = sorted((Path(__file__).parents[2] / "errors").glob("*.yaml"))


@pytest.fixture(autouse=True)
def _host_without_networks_conf(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """What VirtualBox allows on the machine that the tests run on is none of their business."""
    monkeypatch.setattr(virtualbox, "NETWORKS_CONF", str(tmp_path / "networks.conf"))
    monkeypatch.setattr("sys.platform", "linux")


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.stem)
def test_every_problem_is_told_with_its_line(case: Path) -> None:
    with pytest.raises(SpecError) as caught:
        load.load(case, further=faults_of)
    lines = [f"line {p.line}: {p.where}: {p.message}" for p in caught.value.problems]
    text = "\n".join(lines) + "\n"
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
