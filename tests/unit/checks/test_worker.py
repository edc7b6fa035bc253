"""The folder from which pytest names tests, where files are on several drives too."""

from __future__ import annotations

import ntpath
import posixpath
from pathlib import Path, PurePosixPath, PureWindowsPath
from types import ModuleType, SimpleNamespace
from typing import cast

import pytest

from labctl.checks import worker

OURS = "C:/Program Files/labctl/playbooks"


@pytest.mark.parametrize(
    ("kind", "paths", "root"),
    [
        (PurePosixPath, ["/a/playbooks/repos/verify.py"], "/a/playbooks"),
        (PurePosixPath, ["/a/p/repos/verify.py", "/a/lab/playbooks/motd/verify.py"], "/a"),
        (PureWindowsPath, [f"{OURS}/repos/verify.py", "C:/lab/playbooks/x/verify.py"], "C:\\"),
        (
            PureWindowsPath,
            [f"{OURS}/a/verify.py", f"{OURS}/b/verify.py", "D:/lab/playbooks/x/verify.py"],
            r"C:\Program Files\labctl\playbooks",
        ),
        (PureWindowsPath, ["D:/lab/p/x/verify.py", f"{OURS}/b/verify.py"], r"D:\lab\p"),
        (PureWindowsPath, ["d:/lab/p/x/verify.py", "D:/lab/p/y/verify.py"], r"d:\lab\p"),
        (PureWindowsPath, ["//pc/labs/p/x/verify.py", f"{OURS}/b/verify.py"], r"\\pc\labs\p"),
    ],
)
def test_the_folder_above_all_files_of_a_drive(
    monkeypatch: pytest.MonkeyPatch,
    kind: type[PurePosixPath | PureWindowsPath],
    paths: list[str],
    root: str,
) -> None:
    path: ModuleType = posixpath if kind is PurePosixPath else ntpath
    monkeypatch.setattr(worker, "os", SimpleNamespace(path=path))
    files = [("section", cast(Path, kind(one))) for one in paths]
    assert worker._root(files) == root
