"""`labctl provision --check` looks: no file of this computer is another one afterwards."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.json_lines import lines_of

PLAY = """\
from labctl.playbook import File, Play, Plays


def play(play: Play) -> Plays:
    store = play.secret_store
    yield File("%(folder)s/ca.pem", store.authority().certificate)
    yield File("%(folder)s/cert.pem", store.certificate("web", [play.node.name]).certificate)
    yield File("%(folder)s/password", store.credential("web", "student").htpasswd)
"""


def labctl(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-B", "-m", "labctl.cli.main", "--json", *arguments],
        cwd=folder,
        env={**os.environ, "LABCTL_HOME": str(folder.parent / "home")},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )


def everything(folder: Path) -> dict[str, tuple[int, int, bytes]]:
    found = {}
    for path in sorted(folder.rglob("*")):
        status = path.lstat()
        data = path.read_bytes() if path.is_file() else b""
        found[str(path.relative_to(folder))] = (status.st_mode, status.st_mtime_ns, data)
    return found


def snapshot(lab_folder: Path) -> list[dict[str, tuple[int, int, bytes]]]:
    return [everything(lab_folder), everything(lab_folder.parent / "home")]


@pytest.fixture
def lab(lab_folder: Path) -> Path:
    if os.getuid() != 0:
        pytest.skip("the login user must be root")
    machines = json.loads((lab_folder / "lab.yaml").read_text())["machines"]
    spec = {"machines": machines[:1], "playbooks": ["secrets"]}
    (lab_folder / "lab.yaml").write_text(json.dumps(spec))
    book = lab_folder / "playbooks" / "secrets"
    book.mkdir(parents=True)
    target = lab_folder.parent / "on the node"
    target.mkdir()
    (book / "play.py").write_text(PLAY % {"folder": target})
    return lab_folder


def test_a_lab_that_was_never_provisioned(lab: Path) -> None:
    before = snapshot(lab)
    run = labctl(lab, "provision", "--check")
    assert run.returncode == 3, run.stdout
    assert "first contact" in run.stdout
    assert snapshot(lab) == before
    assert not (lab / ".labctl").exists()


def test_a_lab_that_was_provisioned(lab: Path) -> None:
    done = labctl(lab, "provision")
    assert done.returncode == 0, done.stdout
    before = snapshot(lab)
    assert labctl(lab, "provision", "--check").returncode == 0
    (lab.parent / "on the node" / "password").write_text("drift")
    assert labctl(lab, "provision", "--check").returncode == 3
    assert snapshot(lab) == before


@pytest.mark.parametrize(
    ("name", "damage"),
    [("ca.pem", ""), ("web.pem", "-----BEGIN CERTIFICATE-----\n"), ("web.json", "{}")],
)
def test_a_damaged_secret(lab: Path, name: str, damage: str) -> None:
    assert labctl(lab, "provision").returncode == 0
    (lab / ".labctl" / "private" / name).write_text(damage)
    before = snapshot(lab)
    for more in (["--check"], []):
        run = labctl(lab, "provision", *more)
        assert run.returncode == 1
        (result,) = [line for line in lines_of(run.stdout) if line["event"] == "result"]
        assert f"{name} cannot be used" in result["error"]["message"]
        if more:
            assert snapshot(lab) == before
    assert (lab / ".labctl" / "private" / name).read_text() == damage
