"""A course playbook with a key of its own in lab.yaml: its folder is all that it takes.

The nodes are one sshd on this machine, so the playbook writes to a folder of the test.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.json_lines import lines_of

NODE = "docker-node1"

SETTINGS = '''\
"""Keys of lab.yaml for the greeting."""

from collections.abc import Iterator

from labctl.config.keys import Fault, Field, LabSpec, NodeName, Part, Text, unknown_node


class Greeting(Part):
    text: Text = Field(description="What a login shows.")
    file: Text = Field(default="/etc/motd", description="File that it goes to.")
    node: NodeName | None = Field(default=None, description="Node that has it; default: the first.")


class Settings(Part):
    greeting: Greeting | None = Field(default=None, description="Greeting of a node.")


def check(lab: LabSpec) -> Iterator[Fault]:
    greeting = lab.settings(Settings).greeting
    if greeting is None:
        hint = "greeting: {text: …}"
        yield Fault(("playbooks",), "greeting needs its text", hint, needs=("greeting",))
    else:
        yield from unknown_node(lab, ("greeting", "node"), greeting.node)
'''
PLAY = '''\
"""A greeting on one node."""

from typing import Any

from labctl.playbook import Command, File, LabSpec, Play, Plays, SecretStore, shell_script

from .place import node_of
from .settings import Settings


def play(play: Play) -> Plays:
    greeting = play.lab.settings(Settings).greeting
    assert greeting is not None
    if play.node.name != node_of(play.lab):
        return
    count = shell_script(__file__, "count.sh", file=greeting.file)
    yield File(greeting.file, greeting.text)
    yield Command(
        "count the words", f'{count}[ "$words" = "$kept" ]', f'{count}echo "$words" >"$file.words"'
    )


def expected(lab: LabSpec, secrets: SecretStore) -> dict[str, Any]:
    greeting = lab.settings(Settings).greeting
    assert greeting is not None
    return {"node": node_of(lab), "file": greeting.file, "text": greeting.text}
'''
PLACE = """\
from labctl.playbook import LabSpec

from .settings import Settings


def node_of(lab: LabSpec) -> str:
    greeting = lab.settings(Settings).greeting
    return (greeting.node if greeting else None) or lab.node_names[0]
"""
COUNT = """\
# shellcheck shell=sh
# Count the words of a file, and read the number that was counted last.
: "${file:?}"

words=$(wc -w <"$file")
kept=$(cat "$file.words" 2>/dev/null)
"""
VERIFY = '''\
def test_the_greeting_is_there(host, wanted):
    """a login shows the greeting"""
    greeting = wanted["greeting"]
    if wanted["name"] == greeting["node"]:
        assert host.file(greeting["file"]).content_string == greeting["text"]
'''
FILES = {
    "settings.py": SETTINGS,
    "play.py": PLAY,
    "place.py": PLACE,
    "count.sh": COUNT,
    "verify.py": VERIFY,
}


@dataclass(frozen=True)
class Run:
    """A run of labctl that ended."""

    code: int
    events: list[dict[str, Any]]

    def result(self, node: str) -> dict[str, Any]:
        (found,) = [e for e in self.events if e["event"] == "result" and e["node"] == node]
        return found

    @property
    def changes(self) -> list[str]:
        return [change["resource"] for change in self.result(NODE)["changes"]]

    @property
    def problems(self) -> list[dict[str, Any]]:
        (error,) = [e for e in self.events if e["event"] == "error"]
        problems: list[dict[str, Any]] = error["problems"]
        return problems


@dataclass
class Course:
    """A lab with the playbook in its own folder, and nothing else of its own."""

    folder: Path

    @property
    def file(self) -> Path:
        return self.folder / "motd"

    def write(self, greeting: object) -> None:
        """Write lab.yaml with this key."""
        machines = json.loads((self.folder / "machines.json").read_text())
        spec = {"machines": machines, "playbooks": ["greeting"], "greeting": greeting}
        (self.folder / "lab.yaml").write_text(json.dumps(spec))

    def labctl(self, *arguments: str) -> Run:
        done = subprocess.run(
            [sys.executable, "-m", "labctl.cli.main", "--json", *arguments],
            cwd=self.folder,
            env={**os.environ, "LABCTL_HOME": str(self.folder / "home")},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=180,
            check=False,
        )
        return Run(done.returncode, lines_of(done.stdout))

    def schema(self) -> dict[str, Any]:
        done = subprocess.run(
            [sys.executable, "-m", "labctl.cli.main", "schema"],
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        )
        found: dict[str, Any] = json.loads(done.stdout)
        return found


@pytest.fixture
def course(lab_folder: Path) -> Course:
    if os.getuid() != 0:
        pytest.skip("the login user must be root")
    machines = json.loads((lab_folder / "lab.yaml").read_text())["machines"]
    (lab_folder / "machines.json").write_text(json.dumps(machines[:2]))
    book = lab_folder / "playbooks" / "greeting"
    book.mkdir(parents=True)
    for name, text in FILES.items():
        (book / name).write_text(text, "utf-8")
    found = Course(lab_folder)
    found.write({"text": "hello class", "file": str(found.file)})
    return found


def test_the_schema_has_its_key(course: Course) -> None:
    assert "greeting" in course.schema()["properties"]


@pytest.mark.parametrize(
    ("greeting", "where", "message"),
    [
        ({"text": 1}, "greeting.text", "must be a string, is 1"),
        ({"file": "/x"}, "greeting.text", "the key 'text' is missing"),
        ({"text": "a", "nod": "a"}, "greeting.nod", "unknown key 'nod'"),
        ({"text": "a", "node": "nine"}, "greeting.node", "this lab has no node 'nine'"),
        (None, "playbooks", "greeting needs its text"),
    ],
)
def test_its_key_is_validated(course: Course, greeting: Any, where: str, message: str) -> None:
    course.write(greeting)
    run = course.labctl("provision")
    assert run.code == 2
    (problem,) = run.problems
    assert (problem["where"], problem["line"]) == (where, 1)
    assert problem["message"].startswith(message)


def test_it_is_provisioned_verified_and_repaired(course: Course) -> None:
    both = [f"file:{course.file}", "command:count the words"]
    first = course.labctl("provision")
    assert (first.code, first.changes) == (0, both)
    assert course.file.read_text() == "hello class"
    assert (course.folder / "motd.words").read_text().strip() == "2"
    verified = course.labctl("verify")
    assert (verified.code, len(verified.result(NODE)["checks"])) == (0, 1)
    again = course.labctl("provision")
    assert (again.code, again.changes, again.result(NODE)["exchanges"]) == (0, [], 1)
    course.file.write_text("drift")
    assert course.labctl("verify").code == 1
    assert course.labctl("provision").changes == both[:1]
    course.write({"text": "good morning everybody", "file": str(course.file)})
    assert course.labctl("provision").changes == both
    assert course.labctl("verify").code == 0
    assert course.file.read_text() == "good morning everybody"
