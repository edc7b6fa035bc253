"""The scripts that seal a copy of a node."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from labctl.config.packaged import packaged
from labctl.errors import ConnectFailed, MachineError, RemoteError
from labctl.lab import seal as module
from labctl.lab.seal import script, scripts, seal, without_lab
from labctl.remote.target import Target

OURS = packaged("playbooks")


def folder(tmp_path: Path, name: str, **files: str) -> Path:
    """Make a folder of playbooks with a playbook of that name."""
    place = tmp_path / "playbooks" / name
    place.mkdir(parents=True)
    for file, text in files.items():
        (place / f"{file}.sh").write_text(text)
    return tmp_path / "playbooks"


def test_every_playbook_seals_what_it_brought_and_the_system_comes_last() -> None:
    names = [*scripts([OURS])]
    assert names[-1] == "seal"
    assert {"engine", "etcd", "hosts", "hub-cache", "registry"} <= set(names)


def test_a_lab_adds_scripts_and_replaces_ours(tmp_path: Path) -> None:
    own = folder(tmp_path, "exams", seal="rm -rf /srv/exams\n")
    folder(tmp_path, "hub_cache", seal=": mine\n")
    found = scripts([own, OURS])
    assert found["exams"] == own / "exams" / "seal.sh"
    assert found["hub-cache"] == own / "hub_cache" / "seal.sh"
    assert found["hosts"].is_relative_to(OURS)
    assert [*found][-1] == "seal"


def run(text: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["sh"], input=text, capture_output=True, text=True, check=False)


def sealing(tmp_path: Path, **scripts_: str) -> str:
    own = tmp_path / "playbooks"
    for name, text in {"seal": ": last\n", **scripts_}.items():
        folder(tmp_path, name, seal=text, finish="echo sealed\n")
    return script([own], user="o'brien", keep=False, daemon=('{"a": 1}', ""))


@pytest.mark.needs("sh")
def test_scripts_get_their_variables_and_end_alone(tmp_path: Path) -> None:
    text = sealing(tmp_path, a='echo "$user $daemon [$owned] [$keep]"; exit 0\n', b="cat\n")
    done = run(text)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        *("sealing a", """o'brien {"a": 1} [] []""", "sealing b", "sealing seal", "sealed")
    ]


@pytest.mark.needs("sh")
@pytest.mark.parametrize("failing", ["false\necho on\n", "exit 3\n", "no-such-program\n", "if\n"])
def test_a_script_that_fails_ends_the_sealing(tmp_path: Path, failing: str) -> None:
    done = run(sealing(tmp_path, a=failing))
    assert done.returncode != 0
    assert "sealed" not in done.stdout.split()
    assert "on" not in done.stdout.split()


def test_daemon_json_loses_what_belongs_to_the_lab() -> None:
    text = json.dumps(
        {
            "data-root": "/data",
            "registry-mirrors": ["https://m"],
            "cluster-store": "etcd://10.0.0.1",
            "proxies": {"http-proxy": "http://user:password@proxy"},
        }
    )
    assert json.loads(without_lab(text)) == {"data-root": "/data"}
    for other in ("", "no json", "[]", '{"registry-mirrors": []}'):
        assert without_lab(other) == ""


class Copy:
    """A connection to a copy that prints lines, and ends as it is told to."""

    target = Target("node", "10.0.0.1", user="vagrant")
    name = "node"

    def __init__(self, lines: bytes, end: RemoteError | None = None) -> None:
        self.lines, self.end = lines, end
        self.ran = ""

    def run(self, script: str) -> bytes:
        return b'{"registry-mirrors": []}'

    def stream(self, text: str, out, err, *, root: bool) -> int:  # type: ignore[no-untyped-def]
        self.ran = text
        assert root
        for index in range(0, len(self.lines), 7):
            out(self.lines[index : index + 7])
        err(b"rm: no\n")
        if self.end:
            raise self.end
        return 1


def test_a_copy_that_powers_off_after_its_last_line_is_sealed() -> None:
    said: list[str] = []
    copy = Copy(b"sealing a\nwiped 12\nsealed\n", ConnectFailed("gone"))
    seal(copy, [OURS], keep=True, progress=said.append)  # type: ignore[arg-type]
    assert said == ["sealing a", "wiped 12", "sealed"]
    assert "keep=1\n" in copy.ran
    assert "daemon=''\n" in copy.ran


def test_any_other_end_is_an_error() -> None:
    with pytest.raises(ConnectFailed):
        seal(Copy(b"sealing a\n", ConnectFailed("gone")), [OURS], keep=False, progress=id)  # type: ignore[arg-type]
    with pytest.raises(MachineError, match="could not be sealed") as caught:
        seal(Copy(b"sealing a\nsealed too early, no"), [OURS], keep=False, progress=id)  # type: ignore[arg-type]
    assert "rm: no" in caught.value.details


def test_the_system_is_sealed_before_its_free_space_is_overwritten() -> None:
    text = script([OURS], user="vagrant", keep=False, daemon=("", ""))
    places = [text.index(word) for word in (": >/etc/machine-id", "fstrim", "sysrq-trigger")]
    assert places == sorted(places)
    assert module.LAST == "seal"
