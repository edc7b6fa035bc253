"""How long tests usually take: learned from runs, and nothing that can break one."""

from __future__ import annotations

from pathlib import Path

import pytest

from labctl.checks.report import NodeReport
from labctl.lab.durations import Durations
from tests.unit.rehearsals import check


def report(node: str, **seconds: float) -> NodeReport:
    return NodeReport(node, tuple(check("engine", n, seconds=s) for n, s in seconds.items()))


def test_the_slowest_node_and_the_newest_runs_count(tmp_path: Path) -> None:
    durations = Durations(tmp_path / "durations.json")
    assert durations.usual("rehearse") == {}
    durations.learn("rehearse", [report("a", test_a=2.0), report("b", test_a=4.0, test_b=1.0)])
    assert durations.usual("rehearse") == {"engine/test_a": 4.0, "engine/test_b": 1.0}
    durations.learn("rehearse", [report("a", test_a=8.0)])
    assert durations.usual("rehearse") == {"engine/test_a": 6.0, "engine/test_b": 1.0}
    assert durations.usual("verify") == {}


def test_only_what_passed_is_measured(tmp_path: Path) -> None:
    durations = Durations(tmp_path / "durations.json")
    bad = NodeReport("a", (check("engine", "test_a", "failed"), check("engine", "", "passed")))
    durations.learn("verify", [bad])
    assert not (tmp_path / "durations.json").exists()


@pytest.mark.parametrize("text", ["", "[]", "{", '{"verify": []}', '{"verify": {"a": "b"}}'])
def test_a_damaged_file_is_no_error(tmp_path: Path, text: str) -> None:
    path = tmp_path / "durations.json"
    path.write_text(text)
    durations = Durations(path)
    assert durations.usual("verify") == {}
    durations.learn("verify", [report("a", test_a=2.0)])
    assert durations.usual("verify") == {"engine/test_a": 2.0}


def test_no_room_for_the_file_is_no_error(tmp_path: Path) -> None:
    Durations(tmp_path / "none" / "durations.json").learn("verify", [report("a", test_a=2.0)])
