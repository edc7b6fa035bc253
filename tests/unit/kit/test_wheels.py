"""labctl is in a kit with all that it needs on each system, whatever system the kit is made on."""

from __future__ import annotations

import os
import zipfile
from importlib import metadata
from pathlib import Path

import pytest

from labctl.errors import KitError
from labctl.kit import wheels
from labctl.kit.own_wheel import repacked


def wheel(folder: Path, name: str, *requires: str, tag: str = "py3-none-any") -> Path:
    """Write a wheel of version 1.0."""
    info = f"{name}-1.0.dist-info"
    path = folder / f"{name}-1.0-{tag}.whl"
    lines = "".join(f"Requires-Dist: {text}\n" for text in requires)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\n"
                         f"Version: 1.0\n{lines}")  # fmt: skip
        archive.writestr(f"{info}/WHEEL", f"Wheel-Version: 1.0\nTag: {tag}\n")
        archive.writestr(f"{info}/RECORD", "")
    return path


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that pip takes for the only source of wheels, and an own wheel that needs some."""
    folder = tmp_path / "index"
    folder.mkdir()
    wheel(folder, "core", "terminal; extra == 'nice'", "colours; sys_platform == 'win32'")
    wheel(folder, "colours", "backport; python_version < '3.12'")
    wheel(folder, "backport")
    wheel(folder, "fast", tag="cp313-cp313-win_amd64")
    wheel(folder, "fast", tag="cp313-cp313-macosx_11_0_arm64")
    wheel(folder, "fast", tag="cp313-abi3-manylinux_2_17_x86_64.manylinux2014_x86_64")
    for name in list(os.environ):
        if name.startswith("PIP_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    monkeypatch.setattr(wheels, "own_wheel", lambda target: wheel(target, "own", "core", "fast"))
    return folder


def collect(tmp_path: Path, systems: list[str], pythons: list[str], kept: str = "none") -> set[str]:
    """Return the names of the wheels that a kit gets."""
    target = tmp_path / "target"
    target.mkdir(exist_ok=True)
    wheels.collect(target, tmp_path / kept, systems, pythons)
    return {path.name.removesuffix(".whl").replace("-1.0", "") for path in target.iterdir()}


@pytest.mark.parametrize(
    ("system", "expected"),
    [
        ("windows", {"fast-cp313-cp313-win_amd64", "colours-py3-none-any"}),
        ("linux", {"fast-cp313-abi3-manylinux_2_17_x86_64.manylinux2014_x86_64"}),
    ],
)
def test_conditions_are_those_of_the_other_system(
    index: Path, tmp_path: Path, system: str, expected: set[str]
) -> None:
    found = collect(tmp_path, [system], ["3.13"])
    # pip itself adds what this Python needs besides, which does no harm.
    found.discard("backport-py3-none-any")
    assert found == {"own-py3-none-any", "core-py3-none-any", *expected}


def test_what_is_missing_for_a_system_is_told(index: Path, tmp_path: Path) -> None:
    with pytest.raises(KitError, match=r"Darwin, Python 3\.13") as error:
        collect(tmp_path, ["macos"], ["3.13"])  # there is none for x86_64
    assert "fast" in error.value.details


def test_an_older_python_gets_its_backports(index: Path, tmp_path: Path) -> None:
    wheel(index, "fast", tag="cp311-cp311-win_amd64")
    found = collect(tmp_path, ["windows"], ["3.11"])
    assert "backport-py3-none-any" in found


def test_wheels_of_the_kit_are_enough(
    index: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = collect(tmp_path, ["windows"], ["3.13"])
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "gone"))
    (tmp_path / "target").rename(tmp_path / "kept")
    assert collect(tmp_path, ["windows"], ["3.13"], "kept") == first


def test_an_installed_distribution_becomes_a_wheel_again(tmp_path: Path) -> None:
    made = repacked(metadata.distribution("iniconfig"), tmp_path)
    again = made.read_bytes()
    assert repacked(metadata.distribution("iniconfig"), tmp_path).read_bytes() == again
    with zipfile.ZipFile(made) as archive:
        names = archive.namelist()
        assert archive.testzip() is None
        record = archive.read(next(name for name in names if name.endswith("RECORD"))).decode()
    assert "iniconfig/__init__.py" in names
    assert not [name for name in names if name.endswith((".pyc", "INSTALLER"))]
    assert len(record.splitlines()) == len(names)
