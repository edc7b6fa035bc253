"""Boxes of Vagrant, and files made of them."""

from __future__ import annotations

import hashlib
import json
import tarfile
from pathlib import Path

import pytest

from labctl.errors import StateError
from labctl.machines import box
from labctl.machines.box import Box


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    return {"VAGRANT_HOME": str(tmp_path / "vagrant")}


def kept(home: Path, name: str, version: str, provider: str = "libvirt") -> Box:
    """Put a box into a Vagrant home."""
    folder = home / "boxes" / name.replace("/", "-VAGRANTSLASH-") / version / provider
    folder.mkdir(parents=True)
    (folder / "metadata.json").write_text(json.dumps({"provider": provider}))
    (folder / "box.img").write_bytes(b"disk" * 1000)
    (folder / "include").mkdir()
    (folder / "include" / "_Vagrantfile").write_text("# more\n")
    return Box(name, version, provider, folder)


def test_a_box_is_found_by_name_provider_and_version(
    tmp_path: Path, environment: dict[str, str]
) -> None:
    home = tmp_path / "vagrant"
    old, new = kept(home, "a/lab", "0.9"), kept(home, "a/lab", "0.10")
    other = kept(home, "a/lab", "1.0", "virtualbox")
    assert box.installed("a/lab", environment=environment) == [other, new, old]
    assert box.find("a/lab", "libvirt", environment=environment) == new
    assert box.find("a/lab", "libvirt", "0.9", environment) == old
    assert box.find("a/lab", "libvirt", "2", environment) is None
    assert box.find("lab", "libvirt", environment=environment) is None
    assert box.home({"VAGRANT_HOME": ""}) == Path.home() / ".vagrant.d"


def test_the_version_is_that_of_the_content(tmp_path: Path) -> None:
    one = kept(tmp_path / "one", "lab", "0")
    digest = one.digest
    assert box.digest_of(kept(tmp_path / "two", "lab", "0").folder) == digest
    version = box.version_of(digest)
    assert all(part.isdecimal() for part in version.split("."))  # letters would be a prerelease
    baked = Box("lab", version, "libvirt", one.folder)
    assert baked.intact
    (one.folder / "box.img").write_bytes(b"dish" * 1000)
    assert not baked.intact
    (one.folder / "box.img").rename(one.folder / "box2.img")
    assert box.digest_of(one.folder) not in (digest, "")


def test_a_box_file_is_the_same_each_time_and_holds_the_box(tmp_path: Path) -> None:
    told = []
    one = kept(tmp_path / "one", "lab", "0")
    written = box.write(one, tmp_path / "a.box", lambda done, size: told.append((done, size)))
    again = box.write(kept(tmp_path / "two", "lab", "0"), tmp_path / "b.box")
    assert written.sha256 == again.sha256
    data = written.path.read_bytes()
    assert (hashlib.sha256(data).hexdigest(), len(data)) == (written.sha256, written.size)
    assert told[-1] == (one.size, one.size)
    with tarfile.open(written.path) as tar:
        assert tar.getnames() == ["metadata.json", "box.img", "include/_Vagrantfile"]
        assert {(entry.uid, entry.mtime, entry.uname) for entry in tar} == {(0, 0, "")}
        tar.extractall(tmp_path / "out", filter="data")
    assert box.digest_of(tmp_path / "out") == one.digest


def test_a_link_in_a_box_is_not_followed(tmp_path: Path) -> None:
    one = kept(tmp_path / "one", "lab", "0")
    (tmp_path / "secret").write_text("secret")
    (one.folder / "link").symlink_to(tmp_path / "secret")
    written = box.write(one, tmp_path / "a.box")
    with tarfile.open(written.path) as tar:
        assert "link" not in tar.getnames()


def test_a_file_that_cannot_be_written_leaves_nothing(tmp_path: Path) -> None:
    one = kept(tmp_path / "one", "lab", "0")
    with pytest.raises(StateError, match="cannot be written"):
        box.write(one, tmp_path / "missing" / "a.box")
    target = tmp_path / "a.box"
    target.mkdir()
    with pytest.raises(StateError, match="cannot be written"):
        box.write(one, target)
    assert list(tmp_path.glob("*.part")) == []
