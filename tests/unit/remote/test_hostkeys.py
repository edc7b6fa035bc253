"""Host keys by node name."""

from __future__ import annotations

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from labctl.errors import StateError
from labctl.remote import hostkeys
from labctl.remote.hostkeys import HostKeys
from labctl.storage import exclusive


@pytest.fixture
def keys(tmp_path: Path) -> HostKeys:
    return HostKeys(tmp_path / "known_hosts")


def test_keys_are_kept_by_name(keys: HostKeys) -> None:
    assert keys.get("a") is None
    keys.record("a", "ssh-ed25519", "AAAA1")
    keys.record("ab", "ssh-rsa", "AAAA2")
    assert HostKeys(keys.path).get("a") == ("ssh-ed25519", "AAAA1")
    assert keys.get("ab") == ("ssh-rsa", "AAAA2")
    assert keys.path.read_text() == "a ssh-ed25519 AAAA1\nab ssh-rsa AAAA2\n"


@pytest.mark.skipif(os.name != "posix", reason="Windows has no such permissions")
def test_the_file_is_for_its_owner_alone(keys: HostKeys) -> None:
    keys.record("a", "ssh-rsa", "AAAA")
    assert keys.path.stat().st_mode & 0o077 == 0


def test_a_new_key_takes_the_place_of_the_old_one(keys: HostKeys) -> None:
    keys.record("a", "ssh-rsa", "AAAA1")
    keys.record("a", "ssh-ed25519", "AAAA2")
    assert keys.get("a") == ("ssh-ed25519", "AAAA2")
    assert len(keys.path.read_text().splitlines()) == 1


def test_only_the_node_that_is_gone_is_forgotten(keys: HostKeys) -> None:
    keys.forget("a")
    assert not keys.path.exists()
    for name in ("node1", "node11", "node"):
        keys.record(name, "ssh-rsa", "AAAA")
    keys.forget("node1")
    assert (keys.get("node1"), keys.get("node11") is None, keys.get("node") is None) == (
        None,
        False,
        False,
    )


@pytest.mark.parametrize("text", ["", "\n\n", "a\n", "a ssh-rsa\n", "# a ssh-rsa AAAA\n"])
def test_lines_that_are_no_key(keys: HostKeys, text: str) -> None:
    keys.path.write_text(text)
    assert keys.get("a") is None


def test_many_nodes_at_once(keys: HostKeys) -> None:
    names = [f"node{number}" for number in range(40)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda name: keys.record(name, "ssh-rsa", f"KEY{name}"), names))
    assert [keys.get(name) for name in names] == [("ssh-rsa", f"KEY{name}") for name in names]
    assert {path.suffix for path in keys.path.parent.iterdir()} == {"", ".lock"}


_RECORD = """\
import sys
from pathlib import Path
from labctl.remote.hostkeys import HostKeys
for number in range(25):
    HostKeys(Path(sys.argv[1])).record(f"{sys.argv[2]}{number}", "ssh-rsa", "AAAA")
"""


def test_processes_that_record_at_once_lose_no_key(keys: HostKeys) -> None:
    """As the checks of several nodes do, which run in processes of their own."""
    source = str(Path(hostkeys.__file__).parents[2])  # so labctl need not be installed
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", _RECORD, str(keys.path), name],
            env={**os.environ, "PYTHONPATH": source},
        )
        for name in "abcd"
    ]
    assert [process.wait(120) for process in processes] == [0, 0, 0, 0]
    names = sorted(line.split()[0] for line in keys.path.read_text().splitlines())
    assert names == sorted(f"{name}{number}" for name in "abcd" for number in range(25))


def test_a_file_that_another_process_holds(keys: HostKeys, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hostkeys, "_PATIENCE", 0.0)
    lock = keys.path.with_name(f"{keys.path.name}.lock")
    with exclusive(lock, timeout=0), pytest.raises(StateError) as caught:
        keys.record("a", "ssh-rsa", "AAAA")
    assert str(lock) in caught.value.hint
    keys.record("a", "ssh-rsa", "AAAA")


def test_a_second_writer_has_a_temporary_file_of_its_own(
    keys: HostKeys, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The checks of several nodes run in processes of their own, which no lock in memory parts."""
    used: list[Path] = []
    real = Path.replace

    def replace(self: Path, target: Path) -> Path:
        used.append(self)
        return real(self, target)

    monkeypatch.setattr(Path, "replace", replace)
    for name in ("a", "b"):
        keys.record(name, "ssh-rsa", "AAAA")
    assert len(set(used)) == 2


def test_a_write_that_fails_leaves_the_old_file(
    keys: HostKeys, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys.record("a", "ssh-rsa", "AAAA")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(StateError, match="cannot be written: No space") as caught:
        keys.record("b", "ssh-rsa", "AAAA")
    assert caught.value.hint
    assert keys.path.read_text() == "a ssh-rsa AAAA\n"
    assert {path.suffix for path in keys.path.parent.iterdir()} == {"", ".lock"}
