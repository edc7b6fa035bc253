"""`labctl rehearse --list`: what each section holds, without running it."""

from __future__ import annotations

from pathlib import Path

import pytest

from labctl.cli.options import Globals
from labctl.cli.output.rehearsal import print_sections
from labctl.lab.durations import Durations
from labctl.lab.sections import Section, discover, exercises
from tests.unit.fakes import FakeLab, FakeMachines
from tests.unit.rehearsals import check


def test_a_section_is_read_and_not_run(tmp_path: Path) -> None:
    one = tmp_path / "own.py"
    one.write_text(
        '"""Own: what we add.\n\nMore.\n"""\nraise SystemExit\n'
        "def test_a(): ...\ndef helper(): ...\ndef test_b(): ...\n"
    )
    found = exercises(Section("own", (one,)))
    assert (found.about, found.names) == ("Own: what we add.", ("test_a", "test_b"))
    one.write_text("def (:\n")
    assert exercises(Section("own", (one,))).names == ()


def test_the_list_has_counts_and_usual_times(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from labctl.checks.report import NodeReport

    lab = FakeLab(FakeMachines())
    lab.workspace.make()
    took = (
        check("volumes", "test_room", seconds=30.0),
        check("volumes", "test_bind_mount", seconds=12.0),
        check("containers", "test_cpu_shares[shares0]", seconds=200.0),
    )
    Durations(lab.workspace.durations).learn("rehearse", [NodeReport("a", took)])
    print_sections(Globals(), lab, discover(lab))
    rows = {line.split()[0]: line for line in capsys.readouterr().out.splitlines()}
    assert rows["volumes"].split()[1:4] == ["7", "42", "s"]
    assert rows["containers"].split()[1:4] == ["13", "3", "min"]
    assert rows["engine"].split()[1:3] == ["8", "-"]
    assert "Volumes: data that outlives a container." in rows["volumes"]
    assert "client, its API" in rows["engine"]
    assert "/" not in rows["volumes"]
    monkeypatch.setenv("COLUMNS", "40")
    print_sections(Globals(), lab, discover(lab))
    assert max(map(len, capsys.readouterr().out.splitlines())) <= 40


def test_json_has_the_files_too(capsys: pytest.CaptureFixture[str]) -> None:
    import json

    lab = FakeLab(FakeMachines())
    print_sections(Globals(as_json=True), lab, discover(lab))
    events = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    first = events[0]
    assert (first["event"], first["section"], first["exercises"]) == ("section", "engine", 8)
    assert first["seconds"] is None
    assert first["files"][0].endswith("engine.py")
