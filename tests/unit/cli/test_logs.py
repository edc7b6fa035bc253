"""The record of runs: `.labctl/logs`, `labctl logs`, reports of rehearsals, `labctl open`."""

from __future__ import annotations

import json
import os
import re
import threading
import webbrowser
from pathlib import Path
from typing import Any

import pytest

from labctl.cli.commands import logs as command
from labctl.cli.i18n import locale
from labctl.cli.output.run_log import KEPT, RunLog
from labctl.cli.recorded import RECORDED
from labctl.errors import ChangeFailed
from labctl.events import ChangeStarted, Exchanged, MachineOutput, Notice, Phase, PhaseEntered
from labctl.lab.workspace import Workspace
from labctl.messages import msg
from tests.unit.cli.test_cli import Gone, Run, lab_yaml, nodes, run

__all__ = ["nodes", "run"]

LOGS = Path(".labctl/logs")


def events(log: RunLog) -> None:
    log(PhaseEntered("a", Phase.PROVISIONING))
    log(ChangeStarted("a", "engine", "x", "start docker", "", check=False))
    log(Notice("b", msg("two\nlines and {what}", what="\x1b[31mred")))
    log(MachineOutput("a", "Booting VM..."))
    log(Exchanged("a", 3, 0.1))


def test_a_log_is_readable_and_private(tmp_path: Path) -> None:
    log = RunLog(tmp_path, "provision", ["provision", "--limit", "a"])
    events(log)
    log.error(ChangeFailed("it failed", resource="x", node="a", details="no\nroom", hint="make it"))
    log.close()
    path = tmp_path / "provision.log"
    lines = path.read_text("utf-8").splitlines()
    assert lines[0] == "# labctl provision --limit a"
    assert re.match(r"# \d{4}-\d\d-\d\d \d\d:\d\d:\d\d \S+, labctl ", lines[1])
    assert [re.sub(r"^\d\d:\d\d:\d\d ", "", line) for line in lines[2:]] == [
        "a: provisioning",
        "a: engine: start docker",
        "b: two",
        "    lines and \N{REPLACEMENT CHARACTER}[31mred",
        "a: error: it failed",
        "      | no",
        "      | room",
        "      hint: make it",
    ]
    if os.name == "posix":
        assert path.stat().st_mode & 0o777 == 0o600


def test_logs_stay_english(tmp_path: Path, chinese: pytest.MonkeyPatch) -> None:
    assert not locale.is_english()
    log = RunLog(tmp_path, "up", ["up"])
    log(PhaseEntered("a", Phase.BOOTING))
    log.close()
    assert (tmp_path / "up.log").read_text("utf-8").isascii()


def test_the_last_runs_are_kept(tmp_path: Path) -> None:
    for number in range(KEPT + 3):
        log = RunLog(tmp_path, "verify", [f"run{number}"])
        log(Notice("a", "x"))
        log.close()
    names = ["verify.log", *(f"verify.{n}.log" for n in range(1, KEPT))]
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(names)
    heads = [(tmp_path / name).read_text("utf-8").splitlines()[0] for name in names]
    assert heads == [f"# labctl run{n}" for n in range(KEPT + 2, 2, -1)]


def test_nothing_is_written_where_there_is_no_lab(tmp_path: Path) -> None:
    log = RunLog(tmp_path / "logs", "up", ["up"])
    log(Notice("a", "early"))
    assert not (tmp_path / "logs").exists()
    (tmp_path / "logs").mkdir()
    log(Notice("a", "late"))
    log.close()
    assert "early" in (tmp_path / "logs" / "up.log").read_text("utf-8")


@pytest.mark.needs("sh")
def test_a_link_is_replaced_and_never_followed(tmp_path: Path) -> None:
    theirs = tmp_path / "theirs"
    theirs.write_text("precious")
    folder = tmp_path / "logs"
    folder.mkdir()
    (folder / "up.log").symlink_to(theirs)
    log = RunLog(folder, "up", ["up"])
    log(Notice("a", "x"))
    log.close()
    assert theirs.read_text() == "precious"
    assert not (folder / "up.log").is_symlink()


def test_a_log_that_cannot_be_written_stops_nothing(tmp_path: Path) -> None:
    log = RunLog(tmp_path, "up", ["up"])
    (tmp_path / "up.log").mkdir()
    (tmp_path / "up.1.log").mkdir()
    (tmp_path / "up.1.log" / "x").write_text("")
    log(Notice("a", "x"))
    log(Notice("a", "x"))
    log.close()


def test_a_large_output_begins_in_a_new_file(tmp_path: Path) -> None:
    (tmp_path / "a.vagrant.log").write_bytes(b"x" * 5_000_000)
    (tmp_path / "b.vagrant.log").write_bytes(b"x")
    log = RunLog(tmp_path, "up", ["up"])
    log(Notice("a", "x"))
    log.close()
    assert not (tmp_path / "a.vagrant.log").exists()
    assert (tmp_path / "a.vagrant.old").is_file()
    assert (tmp_path / "b.vagrant.log").is_file()


def test_every_recorded_command_exists(run: Run) -> None:
    for name in RECORDED:
        below = ("save", "restore", "delete", "export", "import")
        words = ("checkpoint", name) if name in below else (name,)
        assert run(*words, "--help").code == 0


# -- the command


def test_a_run_is_recorded_and_shown(run: Run, nodes: dict[str, Any]) -> None:
    done = run("provision")
    assert done.code == 0, done.err
    shown = run("logs")
    assert shown.code == 0
    assert shown.out == (LOGS / "provision.log").read_text("utf-8")
    assert "docker-node1: toy: set a" in shown.out
    one = run("logs", "docker-node2")
    assert "docker-node2: " in one.out
    assert "docker-node1: " not in one.out
    assert run("logs", "provision", "docker-node2").out == one.out
    assert [event["line"] for event in run("logs", "--json").events] == shown.out.splitlines()


def test_an_error_is_in_the_log(run: Run, nodes: dict[str, Any]) -> None:
    nodes["docker-node2"] = Gone("docker-node2")
    assert run("provision").code == 1
    assert "docker-node2: error: 10.0.0.2:22 does not answer" in run("logs").out


def test_the_complete_output_of_a_node_follows(run: Run, nodes: dict[str, Any]) -> None:
    Workspace.find().make()
    log = RunLog(LOGS, "verify", ["verify"])
    log(Notice("docker-node1", "checked"))
    log.close()
    (LOGS / "docker-node1.verify.log").write_text("E   assert 1 == 0\n\x1b[2J")
    out = run("logs", "docker-node1", "verify").out
    assert "docker-node1: checked" in out
    assert "complete output: " in out
    assert "E   assert 1 == 0" in out
    assert "\x1b" not in out
    assert "assert" not in run("logs", "verify").out


def test_the_last_run_of_all_commands_is_shown(run: Run, nodes: dict[str, Any]) -> None:
    Workspace.find().make()
    for number, name in enumerate(("up", "verify", "provision")):
        log = RunLog(LOGS, name, [name])
        log(Notice("a", name))
        log.close()
        os.utime(LOGS / f"{name}.log", (1000 + number, 1000 + number))
    assert run("logs").out.startswith("# labctl provision")
    assert run("logs", "up").out.startswith("# labctl up")
    listed = [event["command"] for event in run("logs", "--list", "--json").events]
    assert listed == ["labctl provision", "labctl verify", "labctl up"]
    assert "labctl verify" in run("logs", "--list").out


def test_nothing_recorded_is_said(run: Run, nodes: dict[str, Any]) -> None:
    assert run("logs").code == 1
    assert "no run is recorded" in run("logs").err
    assert "no run of `labctl heal` is recorded" in run("logs", "heal").err
    assert run("logs", "--list").code == 0


def test_following_goes_on_with_the_next_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(command, "_PAUSE", 0.01)

    def record(text: str) -> None:
        log = RunLog(tmp_path, "up", ["up"])
        log(Notice("a", text))
        log.close()

    record("first")
    lines = command._lines(tmp_path / "up.log", follow=True)
    seen = [next(lines) for _ in range(3)]
    later = threading.Thread(target=record, args=("second",))
    later.start()
    seen += [next(lines) for _ in range(3)]
    later.join()
    assert [line.rpartition(": ")[2] for line in (seen[2], seen[5])] == ["first", "second"]


# -- reports


def test_open_shows_the_report(
    run: Run, nodes: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[str] = []
    monkeypatch.setattr(webbrowser, "open", lambda url: not opened.append(url))  # type: ignore[func-returns-value]
    done = run("open")
    assert (done.code, opened) == (1, [])
    assert "`labctl rehearse` writes it" in done.err
    Workspace.find().make()
    Path(".labctl/rehearsal-partial.html").write_text("part")
    assert (
        "`labctl open --partial` shows the report of the last partial rehearsal" in run("open").err
    )
    assert run("open", "--partial").code == 0
    Path(".labctl/rehearsal.html").write_text("whole")
    assert run("open").code == 0
    assert [url.rpartition("/")[2] for url in opened] == [
        "rehearsal-partial.html",
        "rehearsal.html",
    ]
    Path(".labctl/rehearsal-partial.html").unlink()
    assert "`labctl open` shows the report of all sections" in run("open", "--partial").err
    monkeypatch.setattr(webbrowser, "open", lambda _: False)
    done = run("open")
    assert done.code == 1
    assert "no browser was found" in done.err
    assert str(Path(".labctl/rehearsal.html").absolute()) in done.out


@pytest.mark.parametrize(
    ("arguments", "name"),
    [
        ((), "rehearsal.html"),
        (("engine",), "rehearsal-partial.html"),
        (("--node", "docker-node1"), "rehearsal-partial.html"),
    ],
)
def test_a_partial_rehearsal_keeps_the_full_report(
    run: Run, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], name: str
) -> None:
    from tests.unit.rehearsals import green

    lab_yaml("nodes: 2\n")
    Workspace.find().make()
    Path(".labctl/rehearsal.html").write_text("whole")
    monkeypatch.setattr("labctl.lab.actions.rehearse.rehearse", lambda *_: green())
    done = run("rehearse", *arguments, "--json")
    assert done.code == 0, done.err
    result = done.events[-1]
    assert Path(result["page"]).name == name
    assert result["partial"] == bool(arguments)
    assert (Path(".labctl/rehearsal.html").read_text() == "whole") == bool(arguments)
    assert json.dumps(result)
