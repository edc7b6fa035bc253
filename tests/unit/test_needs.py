"""A test whose program is missing is skipped by a developer and fails in CI."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.needs import require


def test_a_developer_may_lack_a_program(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CI", raising=False)
    with pytest.raises(pytest.skip.Exception, match="not installed: no-such-program"):
        require("no-such-program")


def test_ci_must_have_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match="not installed: no-such-program"):
        require("no-such-program")


@pytest.mark.parametrize("ci", ["", "true"])
def test_what_is_installed_is_found(
    ci: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "some-program.exe"
    program.touch(mode=0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("CI", ci)
    require(program.name)
