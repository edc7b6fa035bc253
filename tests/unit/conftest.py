"""Every unit test runs in an empty folder, with a home of its own and nothing from the outside.

The golden tests' LABCTL_UPDATE_GOLDEN is let through: it is for people, not for labctl.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

_OURS = ("LABCTL_", "VAGRANT_", "VBOX_")
_KEPT = {"LABCTL_UPDATE_GOLDEN"}


@pytest.fixture(scope="session")
def _home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("home")


@pytest.fixture(autouse=True)
def _isolated(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, _home: Path) -> None:
    for name in list(os.environ):
        if name.startswith(_OURS) and name not in _KEPT:
            monkeypatch.delenv(name)
    for name in ("LC_ALL", "LC_MESSAGES", "LANG"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("LANGUAGE", "en")
    for name in ("HOME", "USERPROFILE"):
        monkeypatch.setenv(name, str(_home))
    # Each test has its own index of labs.
    monkeypatch.setenv("LABCTL_HOME", str(tmp_path.with_name(f"{tmp_path.name}-labs")))
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.delenv("FORCE_COLOR", raising=False)
    monkeypatch.chdir(tmp_path)
