"""Downloads resume, and take nothing that has another digest."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from labctl.errors import KitError
from labctl.kit import download
from labctl.kit.writer import KitWriter
from tests.unit.kit.conftest import Site

CONTENT = bytes(n % 251 for n in range(3 << 20))
DIGEST = hashlib.sha256(CONTENT).hexdigest()


def test_an_answer_that_breaks_off_is_continued(site: Site, tmp_path: Path) -> None:
    site.pages["/file"] = CONTENT
    site.cut = "/file"
    with KitWriter(tmp_path / "kit") as kit:
        assert download.fetch(kit, "a", f"{site.url}/file", DIGEST) == DIGEST
    assert (tmp_path / "kit" / "a").read_bytes() == CONTENT
    assert len(site.requests) == 2


def test_a_killed_run_is_continued_and_a_finished_one_asks_nothing(
    site: Site, tmp_path: Path
) -> None:
    site.pages["/file"] = CONTENT
    url = f"{site.url}/file"
    with KitWriter(tmp_path / "kit") as kit:
        kit.partial(f"a {url} {DIGEST}").write_bytes(CONTENT[: 1 << 20])
        download.fetch(kit, "a", url, DIGEST)
    assert (tmp_path / "kit" / "a").read_bytes() == CONTENT
    site.requests.clear()
    with KitWriter(tmp_path / "kit") as kit:
        download.fetch(kit, "a", url, DIGEST)
    assert site.requests == []


@pytest.mark.parametrize("kept", [b"other", CONTENT + b"more", CONTENT])
def test_a_partial_file_of_something_else_is_dropped(
    site: Site, tmp_path: Path, kept: bytes
) -> None:
    site.pages["/file"] = CONTENT
    url = f"{site.url}/file"
    with KitWriter(tmp_path / "kit") as kit:
        kit.partial(f"a {url} {DIGEST}").write_bytes(kept)
        download.fetch(kit, "a", url, DIGEST)
    assert (tmp_path / "kit" / "a").read_bytes() == CONTENT


def test_another_file_than_expected_gets_no_name(site: Site, tmp_path: Path) -> None:
    site.pages["/file"] = b"something else"
    with KitWriter(tmp_path / "kit") as kit, pytest.raises(KitError, match="another digest"):
        download.fetch(kit, "a", f"{site.url}/file", DIGEST)
    assert not (tmp_path / "kit" / "a").exists()


def test_a_large_file_is_split_while_it_arrives(site: Site, tmp_path: Path) -> None:
    site.pages["/file"] = CONTENT
    with KitWriter(tmp_path / "kit", limit=1 << 20) as kit:
        download.fetch(kit, "a", f"{site.url}/file", DIGEST)
        assert kit.keep("a", DIGEST)
    assert [path.name for path in sorted((tmp_path / "kit").glob("a*"))] == [
        *("a.001", "a.002", "a.003")
    ]


def test_a_missing_file_and_a_dead_server_say_so(site: Site, tmp_path: Path) -> None:
    with KitWriter(tmp_path / "kit") as kit:
        with pytest.raises(KitError, match="HTTP 404"):
            download.fetch(kit, "a", f"{site.url}/none", DIGEST)
        with pytest.raises(KitError, match="cannot be downloaded"):
            download.fetch(kit, "a", "http://127.0.0.1:1/none", DIGEST)
    with pytest.raises(KitError, match="HTTP 404"):
        download.read(f"{site.url}/none")
    site.pages["/big"] = b"xx"
    with pytest.raises(KitError, match="larger"):
        download.read(f"{site.url}/big", most=1)
