"""Directory, Link and Absent."""

from __future__ import annotations

import pytest

from labctl.errors import ChangeFailed
from labctl.playbook import (
    Absent,
    Directory,
    Link,
)
from tests.integration.resources.local_shell import (
    ME,
    LocalShell,
    converges,
    names,
)


def test_directory(shell: LocalShell) -> None:
    path = shell.folder / "a b" / "it's"
    converges(shell, Directory(str(path), mode="0750", owner=ME))
    (path / "kept").touch()
    path.chmod(0o700)
    converges(shell, Directory(str(path), mode="0750", owner=ME))
    assert names(path) == ["kept"]


def test_directory_behind_a_link(here: LocalShell) -> None:
    (here.folder / "real").mkdir(mode=0o700)
    (here.folder / "link").symlink_to("real")
    converges(here, Directory(str(here.folder / "link"), mode="0755", owner=ME))
    assert (here.folder / "real").stat().st_mode & 0o777 == 0o755


def test_directory_never_replaces_a_file(here: LocalShell) -> None:
    path = here.folder / "a"
    path.write_text("kept\n")
    with pytest.raises(ChangeFailed):
        here.apply(Directory(str(path), owner=ME))
    assert path.read_text() == "kept\n"


@pytest.mark.parametrize("target", ["/nowhere", "relative/x", "it's a $(touch canary)"])
def test_link(shell: LocalShell, target: str) -> None:
    path = shell.folder / "a link"
    converges(shell, Link(str(path), target))
    assert str(path.readlink()) == target
    path.unlink()
    path.symlink_to(shell.folder)
    converges(shell, Link(str(path), target))
    assert names(shell.folder) == ["a link"]


@pytest.mark.parametrize("kind", ["file", "folder"])
def test_link_never_replaces(here: LocalShell, kind: str) -> None:
    path = here.folder / "a"
    path.mkdir() if kind == "folder" else path.write_text("kept\n")
    with pytest.raises(ChangeFailed, match="exists and is not a link"):
        here.apply(Link(str(path), "/x"))
    assert path.exists()
    assert not path.is_symlink()


@pytest.mark.parametrize("to", ["nowhere", "file", "folder"])
def test_absent_takes_links_and_files(shell: LocalShell, to: str) -> None:
    path, kept = shell.folder / "it's", shell.folder / "folder"
    kept.mkdir()
    (kept / "kept").touch()
    (shell.folder / "file").touch()
    path.symlink_to(to)
    converges(shell, Absent(str(path)))
    path.touch()
    converges(shell, Absent(str(path)))
    assert names(shell.folder) == ["file", "folder"]
    assert names(kept) == ["kept"]
    with pytest.raises(ChangeFailed, match="is a folder"):
        shell.apply(Absent(str(kept)))
    assert names(kept) == ["kept"]
