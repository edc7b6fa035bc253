"""File, on real files and a disk that is full."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from labctl.errors import ChangeFailed
from labctl.playbook import (
    Block,
    Directory,
    File,
)
from tests.integration.resources.local_shell import (
    HOSTILE,
    ME,
    LocalShell,
    converges,
    file,
    names,
)


@pytest.mark.parametrize(
    "content",
    [
        "",
        "plain\n",
        "no end",
        "\n\n",
        "-n\n",
        "%s %d \\n \\\\\n",
        *HOSTILE,
        "ü 🐳\r\n",
        "x" * 300_000,
    ],
)
def test_file(shell: LocalShell, content: str) -> None:
    path = shell.folder / "new folder" / "it's a $file"
    converges(shell, file(path, content, mode="0640"))
    assert path.read_bytes() == content.encode()
    assert path.stat().st_mode & 0o7777 == 0o640
    assert names(path.parent) == [path.name]
    assert not (shell.folder / "canary").exists()


@pytest.mark.parametrize("mode", ["0000", "0044", "0600", "0755", "1777", "4755"])
def test_modes(here: LocalShell, mode: str) -> None:
    if mode == "0000" and os.getuid() != 0:
        pytest.skip("only root reads a file that nobody may read")
    converges(here, file(here.folder / "a", "x\n", mode=mode))
    folder = here.folder / "folder"
    converges(here, Directory(str(folder), mode=mode, owner=ME))
    for path in (here.folder / "a", folder):
        assert path.stat().st_mode & 0o7777 == int(mode, 8)
        path.chmod(0o700)


def test_owner(here: LocalShell) -> None:
    if os.getuid() != 0:
        pytest.skip("only root gives files away")
    path, folder = here.folder / "a", here.folder / "folder"
    path.write_text("x\n")
    converges(
        here,
        File(str(path), "x\n", owner="daemon:mail"),
        Directory(str(folder), owner="mail:daemon"),
    )
    assert (path.owner(), path.group()) == ("daemon", "mail")
    assert (folder.owner(), folder.group()) == ("mail", "daemon")


def test_file_replaces_one_of_any_bytes(here: LocalShell) -> None:
    path = here.folder / "a"
    path.write_bytes(b"caf\xe9\0\xff\n")
    outcome = converges(here, file(path, "text\n"))
    assert path.read_bytes() == b"text\n"
    assert "caf\\xe9" in outcome.changes[0].diff


def test_file_keeps_a_link_and_writes_what_it_leads_to(here: LocalShell) -> None:
    real, link = here.folder / "real", here.folder / "link"
    real.write_text("old\n")
    link.symlink_to("real")
    converges(here, file(link, "new\n"))
    assert link.is_symlink()
    assert real.read_text() == "new\n"


def test_file_never_moves_into_a_folder(here: LocalShell) -> None:
    folder = here.folder / "a"
    folder.mkdir()
    with pytest.raises(ChangeFailed):
        here.apply(file(folder, "new\n"))
    assert names(folder) == []
    assert names(here.folder) == ["a"]


@pytest.mark.parametrize("check", ["false", "exit 3", 'grep -q old "$new"', "set -e; false; true"])
def test_a_refused_file_leaves_the_old_one(shell: LocalShell, check: str) -> None:
    path = shell.folder / "a"
    path.write_text("old\n")
    path.chmod(0o640)
    with pytest.raises(ChangeFailed) as caught:
        shell.apply(file(path, "new\n", check=check))
    assert "refused by its check" in caught.value.details
    assert path.read_text() == "old\n"
    assert path.stat().st_mode & 0o7777 == 0o640
    assert names(shell.folder) == ["a"]


def test_a_check_sees_the_new_file(shell: LocalShell) -> None:
    path = shell.folder / "a"
    path.write_text("old\n")
    converges(shell, file(path, "new\n", check='[ "$(cat "$new")" = new ]'))


def test_backup_is_kept_once(here: LocalShell) -> None:
    path, kept = here.folder / "a", here.folder / "a.before-labctl"
    path.write_text("first\n")
    for content in ("second\n", "third\n"):
        converges(here, file(path, content, backup=True))
    assert kept.read_text() == "first\n"
    path.unlink()
    kept.unlink()
    converges(here, file(path, "new\n", backup=True))
    assert not kept.exists()


@pytest.fixture
def full_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of one megabyte."""
    if not sys.platform.startswith("linux") or os.getuid() != 0:
        pytest.skip("only root on Linux mounts a small file system")
    place = tmp_path / "small"
    place.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(place)],
        check=False,
        capture_output=True,
        text=True,
    )
    if mounted.returncode != 0:
        pytest.skip(f"no file system can be mounted here: {mounted.stderr.strip()}")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


def test_a_full_disk_leaves_the_old_file(shell: LocalShell, full_disk: Path) -> None:
    path, hosts = full_disk / "a", full_disk / "hosts"
    path.write_text("old\n")
    hosts.write_text("127.0.0.1 localhost\n")
    big = ("0123456789abcde\n" * 100_000).splitlines()
    for resource in (
        file(path, "\n".join(big)),
        Block(str(hosts), "nodes", tuple(big)),
        file(full_disk / "new", "\n".join(big)),
    ):
        with pytest.raises(ChangeFailed) as caught:
            shell.apply(resource)
        # dash calls it an I/O error.
        assert re.search("No space left|I/O error", caught.value.details)
    assert path.read_text() == "old\n"
    assert hosts.read_text() == "127.0.0.1 localhost\n"
    assert names(full_disk) == ["a", "hosts"]
