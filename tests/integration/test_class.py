"""A class of existing machines: many students, each with one, and the commands that reach them all.

One sshd on many addresses of the loopback network stands for the machines.
"""

from __future__ import annotations

import getpass
import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.integration.sshd import Sshd
from tests.needs import require

STUDENTS = 12
IDS = ["anna", "s01", *(f"x{n}" for n in range(3, STUDENTS + 1))]
NODE = "docker-node1"

PLAY = """
from labctl.playbook import Command

def play(play):
    path = {folder!r} + "/made-" + play.lab.name
    yield Command("greeting", "test -e " + path, "touch " + path)
"""
VERIFY = """
def test_folder(host):
    \"\"\"the folder is there\"\"\"
    name = host.run("hostname").stdout
    assert name
"""


class Class:
    """A class, and labctl in it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.environment = {**os.environ, "LABCTL_HOME": str(folder.parent / "home")}

    def run(self, *arguments: str, code: int = 0) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "labctl.cli.main", *arguments],
            cwd=self.folder,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert done.returncode == code, done.stdout[-3000:] + done.stderr[-3000:]
        return done.stdout

    def events(self, event: str, *arguments: str, code: int = 0) -> list[dict[str, Any]]:
        lines = self.run("--json", *arguments, code=code).splitlines()
        return [one for line in lines if (one := json.loads(line))["event"] == event]


@pytest.fixture(scope="module")
def room(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Class]:
    require("sshd")
    folder = tmp_path_factory.mktemp("class") / "docker"
    book = folder / "playbooks/greeting"
    book.mkdir(parents=True)
    addresses = [f"127.0.0.{number}" for number in range(1, STUDENTS + 1)]
    listen = [f"ListenAddress {address}" for address in addresses[1:]]
    (folder.parent / "sshd").mkdir()
    with socket.socket() as probe:  # an sshd listens on 16 sockets at most, so on one port
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    server = Sshd(folder.parent / "sshd", ports=(port,), more=tuple(listen))
    server.start()
    user = getpass.getuser()
    (book / "play.py").write_text(PLAY.format(folder=str(folder.parent)))
    (book / "verify.py").write_text(VERIFY)
    given = ["anna,Anna May", "王芳,", *(f"{one}," for one in IDS[2:])]
    lines = [f"{name},{address}" for name, address in zip(given, addresses, strict=True)]
    (folder / "roster.csv").write_text("\n".join(lines) + "\n", "utf-8")
    (folder / "lab.yaml").write_text(
        "playbooks: [greeting]\nclass:\n  students: roster.csv\n"
        f"  login: {{user: {user}, port: {server.ports[0]}, key: {server.key}}}\n"
    )
    yield Class(folder)
    server.stop()


def test_the_plan_names_the_machines(room: Class) -> None:
    placed = room.events("placed", "plan")
    assert [one["student"] for one in placed] == IDS
    assert [one["host"] for one in placed][:2] == ["127.0.0.1", "127.0.0.2"]
    assert "existing machine" in room.run("plan")


def test_up_does_each_students_machine(room: Class) -> None:
    assert [one["ok"] for one in room.events("student", "up")] == [True] * STUDENTS
    made = sorted(path.name for path in room.folder.parent.glob("made-*"))
    assert made == sorted(f"made-docker-{one}" for one in IDS)


def test_a_command_reaches_everybody(room: Class) -> None:
    shown = room.events("executed", "exec", "--", "echo $SSH_CONNECTION | cut -d' ' -f3")
    assert {one["node"]: one["stdout"] for one in shown} == {
        f"{student}/{NODE}": f"127.0.0.{number}\n" for number, student in enumerate(IDS, start=1)
    }
    some = room.events("executed", "exec", "--student", "anna,王芳", "--", "true")
    assert [one["node"] for one in some] == [f"anna/{NODE}", f"s01/{NODE}"]
    one = room.events("executed", "exec", "--limit", f"x3/{NODE}", "--", "true")
    assert [found["node"] for found in one] == [f"x3/{NODE}"]


def test_files_go_to_everybody_and_come_back(room: Class) -> None:
    (room.folder / "task").write_text("task\n")
    place = room.folder.parent / "tasks"
    assert len(room.events("copied", "scp", "task", f"all:{place}")) == STUDENTS
    back = room.folder / "results"
    back.mkdir()
    room.run("scp", "--student", "anna,x3", f"all:{place}", "results")
    assert (back / "anna" / NODE / "tasks").read_text() == "task\n"
    assert sorted(path.name for path in back.iterdir()) == ["anna", "x3"]
    room.run("scp", f"s01/{NODE}:{place}", "one")
    assert (room.folder / "one").read_text() == "task\n"


def test_a_shell_of_one_student(room: Class) -> None:
    assert room.run("ssh", f"x4/{NODE}", "--", "echo", "here") == "here\n"
    assert room.run("ssh", "--student", "x4", NODE, "--", "echo", "here") == "here\n"
    room.run("ssh", NODE, "--", "true", code=2)


def test_tables_are_by_student_and_folded(room: Class) -> None:
    text = room.run("verify", "--student", "anna,s01")
    rows = text.splitlines()
    assert rows[0].split() == ["student", "host", "nodes", "changes", "checks", "result"]
    assert rows[1].split() == ["anna", "(Anna", "May)", "127.0.0.1", "1/1", "-", "1/1", "ok"]
    assert rows[2].startswith("s01 (王芳)")
    assert len(room.events("status", "status")) == STUDENTS


def test_one_student_fails_and_the_others_go_on(room: Class) -> None:
    roster = room.folder / "roster.csv"
    text = roster.read_text("utf-8")
    roster.write_text(text.replace("x5,,127.0.0.5", "x5,,127.0.0.99"), "utf-8")
    try:
        ended = {one["student"]: one["ok"] for one in room.events("student", "provision", code=1)}
        assert ended == {one: one != "x5" for one in IDS}
        assert "labctl provision --student x5" in room.run("provision", code=1)
        rows = {one["student"]: one["state"] for one in room.events("status", "status")}
        assert rows["x5"] == "no answer"
    finally:
        roster.write_text(text, "utf-8")
    assert len(room.events("student", "provision")) == STUDENTS


def test_other_commands_need_one_student(room: Class) -> None:
    (error,) = room.events("error", "heal", NODE, code=2)
    assert "--student anna" in error["hint"]
    room.run("ssh-config", "--student", "anna")
    (error,) = room.events("error", "destroy", "--yes", code=2)
    assert "does not destroy existing machines" in error["message"]
    (error,) = room.events("error", "exec", "--student", "ana", "--", "true", code=2)
    assert "did you mean anna?" in error["hint"]
    assert room.run("logs", "provision").startswith("# ")
