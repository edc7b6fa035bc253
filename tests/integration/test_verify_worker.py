"""Tests that pytest finds outside of its root, as those on another drive of Windows are."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from tests.integration.sshd import Sshd

PROGRAM = """
import json, sys
from pathlib import Path
from labctl.checks import worker
from labctl.checks.request import Request
from labctl.remote.passwords import NO_PASSWORDS
from labctl.remote.target import Target

given = json.load(sys.stdin)
worker._root = lambda files: given["root"]
folder = Path(given["folder"])
report = worker.run(
    Request(
        node="docker-node1",
        target=Target.from_json(given["target"]),
        known_hosts=folder / "known_hosts",
        passwords=NO_PASSWORDS,
        files=tuple((name, Path(path)) for name, path in given["files"]),
        wanted=folder / "wanted.json",
        log=folder / "log",
        rehearsal=given["rehearsal"],
    )
)
shown = given.get("shown", ["section", "name", "outcome"])
print(json.dumps(sorted([getattr(c, name) for name in shown] for c in report.checks)))
"""

GOOD = """
def test_it(host):
    assert host.run("echo {0}").stdout == "{0}\\n"

def test_more(host):
    assert {1}
"""


def test_each_test_is_reported_once_in_its_section(sshd: Sshd, tmp_path: Path) -> None:
    texts = {
        "one": GOOD.format("one", "True"),
        "two": GOOD.format("two", "False"),
        "broken": "import no_such_module\n",
        "passed over": "import pytest\npytest.skip('no', allow_module_level=True)\n",
    }
    files = []
    for name, text in texts.items():
        path = tmp_path / "playbooks" / name / "verify.py"
        path.parent.mkdir(parents=True)
        path.write_text(text)
        files.append((name, str(path)))
    (tmp_path / "wanted.json").write_text("{}")
    (tmp_path / "elsewhere").mkdir()

    def run(files: list[tuple[str, str]], *, rehearsal: bool) -> list[list[str]]:
        given = {
            "root": str(tmp_path / "elsewhere"),
            "folder": str(tmp_path),
            "target": sshd.target().as_json(),
            "files": files,
            "rehearsal": rehearsal,
        }
        done = subprocess.run(
            [sys.executable, "-c", PROGRAM],
            input=json.dumps(given),
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
            env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
        )
        assert done.returncode == 0, done.stderr
        found: list[list[str]] = json.loads(done.stdout)
        return found

    both = [
        ["one", "test_it", "passed"],
        ["one", "test_more", "passed"],
        ["two", "test_it", "passed"],
        ["two", "test_more", "failed"],
    ]
    assert run(files[:2], rehearsal=False) == both
    assert run(files, rehearsal=True) == [
        ["broken", "", "error"],
        *both[:2],
        ["passed over", "", "skipped"],
        *both[2:],
    ]


WORDS = """
import pytest
from labctl.exercise import Failure, msg, on_failure

@on_failure("the greeting is missing", fix="labctl provision", needs_engine=False)
def test_message(host):
    assert host.file("/etc/no-such-file").exists, msg("{file} is gone", file="/etc/motd")

@on_failure("{node} is alone", because="as usual", fix="labctl heal {node}", needs_engine=False)
def test_usual(host):
    assert 1 == 2

@on_failure("a program fails", needs_engine=False)
def test_program(host):
    host.check_output("echo first >&2; echo no such thing >&2; exit 3")

@on_failure("the sandbox fails", needs_engine=False)
def test_setup(broken):
    pass

@pytest.fixture
def broken():
    raise Failure("the whole story", because="the short one", wrong="something else")

@on_failure("never read", needs_engine=False)
def test_good():
    pass
"""


def test_a_failure_comes_with_its_author_s_words(sshd: Sshd, tmp_path: Path) -> None:
    path = tmp_path / "playbooks" / "words" / "verify.py"
    path.parent.mkdir(parents=True)
    path.write_text(WORDS)
    (tmp_path / "wanted.json").write_text('{"user": "course"}')
    given = {
        "root": str(tmp_path),
        "folder": str(tmp_path),
        "target": sshd.target().as_json(),
        "files": [("words", str(path))],
        "rehearsal": False,
        "shown": ["name", "wrong", "because", "fix"],
    }
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        input=json.dumps(given),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == [
        ["test_good", "", "", ""],
        ["test_message", "the greeting is missing", "/etc/motd is gone", "labctl provision"],
        ["test_program", "a program fails", "no such thing", "labctl provision"],
        ["test_setup", "something else", "the short one", "labctl provision"],
        ["test_usual", "docker-node1 is alone", "as usual", "labctl heal docker-node1"],
    ]
    assert "assert 1 == 2" in (tmp_path / "log").read_text("utf-8")
