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
from labctl.remote.target import Target

given = json.load(sys.stdin)
worker._root = lambda files: given["root"]
folder = Path(given["folder"])
report = worker.run(
    Request(
        node="docker-node1",
        target=Target.from_json(given["target"]),
        known_hosts=folder / "known_hosts",
        sudo_password=None,
        files=tuple((name, Path(path)) for name, path in given["files"]),
        wanted=folder / "wanted.json",
        log=folder / "log",
        rehearsal=given["rehearsal"],
    )
)
print(json.dumps(sorted([c.section, c.name, c.outcome] for c in report.checks)))
"""

GOOD = """
def test_it(host):
    assert host.run("echo {0}").stdout == "{0}\\n"

def test_more(host):
    assert {1}
"""


def test_each_test_is_told_of_once_and_in_its_section(sshd: Sshd, tmp_path: Path) -> None:
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
