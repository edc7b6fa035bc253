"""Nothing of a kit is used that is not what its manifest lists."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from labctl.errors import KitError
from labctl.kit.folder import UNFINISHED, Kit
from tests.unit.kit.conftest import FILES


def flip(file: Path, at: int = -1) -> None:
    """Flip one bit of a file."""
    data = bytearray(file.read_bytes())
    data[at] ^= 1
    file.write_bytes(data)


def test_files_are_read_from_any_offset(kit: Kit) -> None:
    for path, content in FILES.items():
        assert kit.read(path) == content
        assert b"".join(kit.chunks(path, 5)) == content[5:]
        assert kit.size(path) == len(content)
    assert kit.check() == []


@pytest.mark.parametrize("path", FILES)
@pytest.mark.parametrize("at", [0, -1])
def test_a_flipped_bit_is_found_before_use(kit: Kit, path: str, at: int) -> None:
    flip(kit.folder / path, at)
    with pytest.raises(KitError, match="cannot be used: its content is not what"):
        next(kit.chunks(path))
    assert [finding.path for finding in kit.check()] == [path]


@pytest.mark.parametrize("path", FILES)
def test_a_bit_that_flips_after_the_first_use_is_found(kit: Kit, path: str) -> None:
    assert kit.read(path)
    flip(kit.folder / path)
    os.utime(kit.folder / path, ns=(1, 1))
    with pytest.raises(KitError):
        kit.read(path)


def test_a_flipped_bit_of_the_manifest_changes_the_digest(folder: Path) -> None:
    before = Kit.open(folder).digest
    file = folder / "kit.json"
    file.write_bytes(file.read_bytes().replace(b"course", b"coursf"))
    assert Kit.open(folder).digest != before


@pytest.mark.parametrize("path", FILES)
def test_missing_short_and_long_files_are_found(kit: Kit, path: str) -> None:
    file = kit.folder / path
    file.write_bytes(file.read_bytes()[:-1])
    assert [finding.path for finding in kit.check()] == [path]
    file.write_bytes(file.read_bytes() + b"xx")
    assert [finding.path for finding in kit.check()] == [path]
    file.unlink()
    (finding,) = kit.check()
    assert (finding.path, finding.message) == (path, "it is missing")
    with pytest.raises(KitError):
        kit.read(path)


def test_further_files_and_folders_are_found(kit: Kit) -> None:
    (kit.folder / "more").mkdir()
    (kit.folder / "lab" / "more.yaml").write_text("")
    (kit.folder / UNFINISHED).mkdir()
    assert [f.path for f in kit.check()] == [UNFINISHED, "lab/more.yaml", "more"]


def test_what_systems_put_on_a_stick_is_no_finding(kit: Kit) -> None:
    for name in (".DS_Store", "._README.md", "Thumbs.db", "desktop.ini"):
        (kit.folder / name).write_text("")
    for name in ("System Volume Information", ".Trashes", "$RECYCLE.BIN"):
        (kit.folder / name).mkdir()
    assert kit.check() == []


@pytest.mark.skipif(os.name == "nt", reason="links need a privilege there")
@pytest.mark.parametrize("place", ["README.md", "lab", "rpms/docker/Packages"])
def test_links_are_not_followed(kit: Kit, tmp_path: Path, place: str) -> None:
    target = tmp_path / "elsewhere"
    (kit.folder / place).rename(target)
    (kit.folder / place).symlink_to(target)
    path = next(path for path in FILES if path.startswith(place))
    with pytest.raises(KitError):
        kit.read(path)
    assert {f.path for f in kit.check()} >= {place, path}


@pytest.mark.skipif(os.name == "nt", reason="there are no named pipes in folders")
def test_a_named_pipe_is_not_waited_for(kit: Kit) -> None:
    (kit.folder / "README.md").unlink()
    os.mkfifo(kit.folder / "README.md")
    with pytest.raises(KitError, match="it is not a file"):
        kit.read("README.md")
    (kit.folder / "kit.json").unlink()
    os.mkfifo(kit.folder / "kit.json")
    with pytest.raises(KitError):
        Kit.open(kit.folder)


def test_what_is_no_kit_says_so(tmp_path: Path) -> None:
    with pytest.raises(KitError, match="cannot be read"):
        Kit.open(tmp_path / "none")
    with pytest.raises(KitError, match=r"is not a kit: it has no kit\.json"):
        Kit.open(tmp_path)
    (tmp_path / UNFINISHED).mkdir()
    with pytest.raises(KitError, match="is unfinished"):
        Kit.open(tmp_path)
