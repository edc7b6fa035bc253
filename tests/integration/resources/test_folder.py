"""Folder: the files of a project."""

from __future__ import annotations

from pathlib import Path

import pytest

from labctl.errors import ChangeFailed
from labctl.playbook import (
    FileContent,
    Folder,
)
from tests.integration.resources.local_shell import (
    ME,
    LocalShell,
    converges,
)


def project(path: Path, **files: str) -> Folder:
    """Return a folder with these files; two underscores stand for a slash."""
    found = [FileContent(n.replace("__", "/"), text.encode()) for n, text in sorted(files.items())]
    return Folder(str(path), tuple(found), ME.partition(":")[0])


@pytest.fixture
def kept(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Where it is remembered which files came from labctl."""
    monkeypatch.setattr("labctl.provision.resources.folder.KEPT", str(tmp_path / "kept"))
    return tmp_path / "kept"


def below(path: Path) -> dict[str, str]:
    """Return the files below a folder with what they hold; a folder without any, too."""
    return {
        found.relative_to(path).as_posix(): found.read_text() if found.is_file() else "/"
        for found in path.rglob("*")
        if found.is_file() or not any(found.iterdir())
    }


def test_a_file_becomes_a_folder_and_a_folder_a_file(shell: LocalShell, kept: Path) -> None:
    app = shell.folder / "it's an app"
    converges(shell, project(app, conf="one\n", data__deep__a="a\n", data__deep__b="b\n"))
    converges(shell, project(app, conf__a="two\n", data="three\n"))
    assert below(app) == {"conf/a": "two\n", "data": "three\n"}
    converges(shell, project(app, conf="one\n", data__deep="b\n"))
    assert below(app) == {"conf": "one\n", "data/deep": "b\n"}


def test_a_run_that_broke_off_while_a_file_became_a_folder_goes_on(
    here: LocalShell, kept: Path
) -> None:
    app = here.folder / "app"
    converges(here, project(app, conf="one\n", data__a="a\n"))
    (app / "conf").unlink()
    (app / "conf").mkdir()
    (app / "data/a").unlink()
    (app / "data").rmdir()
    (app / "data").write_text("three\n")
    converges(here, project(app, conf__a="two\n", data="three\n"))
    assert below(app) == {"conf/a": "two\n", "data": "three\n"}


def test_folders_that_are_in_nobody_s_way_stay(here: LocalShell, kept: Path) -> None:
    """A container that has one mounted would not see what comes into a new one of its name."""
    app = here.folder / "app"
    converges(here, project(app, a="a\n", site__index="page\n", logs__old="x\n"))
    (app / "logs/of-a-container").write_text("data\n")
    converges(here, project(app, a="a\n"))
    assert below(app) == {"a": "a\n", "site": "/", "logs/of-a-container": "data\n"}
    with pytest.raises(ChangeFailed):
        here.apply(project(app, logs="a file\n"))
    assert below(app)["logs/of-a-container"] == "data\n"
