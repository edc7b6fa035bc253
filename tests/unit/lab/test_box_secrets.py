"""The lab's secrets are found on a disk."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest

from labctl.lab import box_secrets
from labctl.lab.box_secrets import found_in, needles
from labctl.provision.secret_store import SecretStore


@pytest.fixture
def store(tmp_path: Path) -> SecretStore:
    store = SecretStore(tmp_path / "private", "lab", lambda: None)
    store.certificate("registry", ["node1"], ["10.0.0.1"])
    store.credential("registry", "student")
    return store


def test_each_secret_of_the_lab_is_looked_for(store: SecretStore) -> None:
    secrets = needles([store.folder, store.folder / "missing"])
    login = json.loads((store.folder / "registry.json").read_text())
    assert {login["password"].encode(), login["hash"].encode()} <= set(secrets.values())
    for file in ("ca.pem", "registry.pem"):
        text = (store.folder / file).read_text()
        mine = {value.decode() for name, value in secrets.items() if name.startswith(file)}
        assert len(mine) == text.count("-----BEGIN ")
        assert all(line in text for line in mine)
    # No two files share a line, or an innocent one would be blamed.
    assert len(set(secrets.values())) == len(secrets)


@pytest.mark.parametrize("at", [0, 4090, (1 << 16) - 5, (1 << 17) + 1])
def test_it_is_found_wherever_it_is(
    tmp_path: Path, at: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(box_secrets, "_CHUNK", 1 << 16)
    secrets = {"a": b"the-secret-of-the-lab", "b": b"another-one-of-it"}
    data = bytearray(random.Random(1).randbytes(1 << 18))
    told: list[tuple[int, int]] = []
    disk = tmp_path / "disk"
    disk.write_bytes(data)
    assert found_in(disk, secrets, lambda done, size: told.append((done, size))) == []
    assert told[-1] == (1 << 18, 1 << 18)
    data[at : at + len(secrets["a"])] = secrets["a"]
    disk.write_bytes(data)
    assert found_in(disk, secrets, lambda done, size: None) == ["a"]
    assert found_in(disk, {}, lambda done, size: None) == []


def test_a_short_word_is_not_looked_for(tmp_path: Path) -> None:
    (tmp_path / "registry.json").write_text('{"password": "docker", "hash": 5}')
    (tmp_path / "no.json").write_text("[")
    (tmp_path / "link.pem").symlink_to(tmp_path / "registry.json")
    assert needles([tmp_path]) == {}
