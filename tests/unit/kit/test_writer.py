"""A kit is written so that no partial file is ever taken as a whole one."""

from __future__ import annotations

import errno
import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from labctl.errors import KitError
from labctl.kit import writer
from labctl.kit.folder import UNFINISHED, Kit
from labctl.kit.writer import KitWriter
from tests.unit.kit.conftest import FILES


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def write(folder: Path, files: dict[str, bytes], limit: int | None = None) -> tuple[int, str]:
    """Write a kit; return the bytes that were written, and its digest."""
    with KitWriter(folder, limit) as kit:
        for path, content in files.items():
            kit.text(path, content)
        digest, _, _ = kit.finish("course", "0.1.0")
    return kit.written, digest


def test_the_same_kit_again_writes_nothing(folder: Path) -> None:
    digest = Kit.open(folder).digest
    assert write(folder, FILES) == (0, digest)
    assert Kit.open(folder).check() == []


def test_only_what_changed_is_written_and_the_rest_is_removed(folder: Path) -> None:
    files = {**FILES, "README.md": b"other"}
    del files["rpms/docker/Packages/docker-ce.rpm"]
    written, _ = write(folder, files)
    assert written == len(b"other")
    assert not (folder / "rpms").exists()
    kit = Kit.open(folder)
    assert kit.check() == []
    assert kit.read("README.md") == b"other"


@pytest.mark.parametrize("size", [0, 1, 99, 100, 101, 200, 250])
def test_large_files_are_split_and_read_as_one(tmp_path: Path, size: int) -> None:
    content = bytes(n % 251 for n in range(size))
    write(tmp_path / "kit", {"big": content, "small": b"x"}, limit=100)
    kit = Kit.open(tmp_path / "kit")
    assert kit.check() == []
    parts = kit.manifest.parts("big")
    assert len(parts) == max(1, -(-size // 100))
    assert all((kit.folder / part).stat().st_size <= 100 for part in parts)
    for start in {0, size // 2, max(0, size - 1)}:
        assert b"".join(kit.chunks("big", start)) == content[start:]
    assert write(tmp_path / "kit", {"big": content, "small": b"x"}, limit=100)[0] == 0
    # With another limit it is written again, and no old part stays.
    write(tmp_path / "kit", {"big": content, "small": b"x"})
    assert Kit.open(tmp_path / "kit").check() == []


def test_a_flipped_bit_in_a_part_is_found(tmp_path: Path) -> None:
    write(tmp_path / "kit", {"big": bytes(250)}, limit=100)
    kit = Kit.open(tmp_path / "kit")
    (kit.folder / "big.003").write_bytes(bytes(49) + b"x")
    assert [finding.path for finding in kit.check()] == ["big.003"]
    with pytest.raises(KitError, match=r"big\.003"):
        kit.read("big")


def test_a_folder_of_something_else_is_not_touched(tmp_path: Path) -> None:
    (tmp_path / "holiday.jpg").write_text("x")
    with pytest.raises(KitError, match="neither empty nor a kit"), KitWriter(tmp_path):
        pass
    assert [path.name for path in tmp_path.iterdir()] == ["holiday.jpg"]


def test_an_interrupted_run_leaves_no_kit_and_is_resumed(tmp_path: Path) -> None:
    folder = tmp_path / "kit"

    def broken() -> Iterator[bytes]:
        yield b"first half"
        raise KeyboardInterrupt

    with KitWriter(folder) as kit:
        kit.text("done", b"whole")
        with pytest.raises(KeyboardInterrupt):
            kit.put("half", broken())
    assert not (folder / "half").exists()
    with pytest.raises(KitError, match="unfinished"):
        Kit.open(folder)
    written, _ = write(folder, {"done": b"whole", "half": b"first half, second half"})
    assert written == len(b"first half, second half")
    assert not (folder / UNFINISHED).exists()
    assert Kit.open(folder).check() == []


@pytest.mark.parametrize(
    ("code", "hint"),
    [
        (errno.ENOSPC, "free space on that disk"),
        (errno.EFBIG, "--split"),
        (errno.EIO, "plugged in"),
        (errno.ENODEV, "plugged in"),
        (errno.EROFS, "writable"),
    ],
)
def test_a_full_or_unplugged_disk_is_one_error(
    folder: Path, monkeypatch: pytest.MonkeyPatch, code: int, hint: str
) -> None:
    def fail(_: object) -> None:
        raise OSError(code, "no")

    monkeypatch.setattr(writer, "_to_disk", fail)
    with pytest.raises(KitError, match="cannot be written") as error, KitWriter(folder) as kit:
        kit.text("README.md", b"other")
    assert hint in error.value.hint
    assert (folder / "README.md").read_bytes() == FILES["README.md"]


def test_content_with_another_digest_gets_no_name(tmp_path: Path) -> None:
    with KitWriter(tmp_path / "kit") as kit:
        with pytest.raises(KitError, match="another digest"):
            kit.put("a", [b"x"], sha256(b"y"))
        part = kit.partial("a")
        part.write_bytes(b"x")
        assert kit.adopt("a", part, sha256(b"y")) == ""
        assert not (tmp_path / "kit" / "a").exists()


def test_links_in_an_old_kit_are_not_written_through(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    (folder / "lab" / "lab.yaml").unlink()
    (folder / "lab").rmdir()
    (folder / "lab").symlink_to(tmp_path / "outside")
    with pytest.raises(KitError, match="is a link"):
        write(folder, FILES)
    assert list((tmp_path / "outside").iterdir()) == []


def test_fat32_has_its_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer, "_file_system", lambda _: "vfat")
    with KitWriter(tmp_path / "kit") as kit:
        assert kit.fits((4 << 30) - 1)
        assert not kit.fits(4 << 30)
