"""The wheel holds all that labctl needs, and works from an empty folder."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from labctl.config.playbook_modules import playbook_name

ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("hatchling") is None or importlib.util.find_spec("pip") is None,
    reason="hatchling and pip build the wheel, and one of them is not installed (extra: dev)",
)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the wheel of a copy: what a build leaves behind must not lie in the checkout."""
    place = tmp_path_factory.mktemp("wheel")
    source = place / "source"
    source.mkdir()
    for name in ("pyproject.toml", "README.md", "LICENSE", "CHANGELOG.md"):
        shutil.copy(ROOT / name, source)
    for name in ("labctl", "templates", "playbooks", "course", "tools"):
        # The build compiles the catalogues itself, as in a fresh clone.
        ignored = shutil.ignore_patterns("__pycache__", "*.pyc", "*.mo")
        shutil.copytree(ROOT / name, source / name, ignore=ignored)
    done = subprocess.run(
        [
            *(sys.executable, "-m", "pip", "--disable-pip-version-check", "wheel"),
            *("--no-deps", "--no-build-isolation", "--no-index", "--wheel-dir", str(place)),
            str(source),
        ],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    (built,) = place.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def unpacked(wheel: Path) -> Path:
    folder = wheel.parent / "unpacked"
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder)
    return folder


def files(folder: Path) -> set[str]:
    return {
        path.relative_to(folder).as_posix()
        for path in folder.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }


def test_it_holds_every_module_template_and_playbook(unpacked: Path) -> None:
    held = files(unpacked / "labctl")
    assert files(ROOT / "labctl") <= held
    for name in ("templates", "playbooks", "course"):
        assert {f"_data/{name}/{file}" for file in files(ROOT / name)} <= held
    assert "_data/templates/Vagrantfile.j2" in held
    assert "_data/playbooks/engine/play.py" in held
    assert "py.typed" in held
    assert "messages/zh_CN/LC_MESSAGES/labctl.mo" in held


def test_it_holds_nothing_else(unpacked: Path) -> None:
    tops = {path.name for path in unpacked.iterdir()}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"labctl"}
    data = {path.name for path in (unpacked / "labctl" / "_data").iterdir()}
    assert data == {"templates", "playbooks", "course"}


def test_it_installs_the_command(unpacked: Path) -> None:
    (points,) = unpacked.glob("*.dist-info/entry_points.txt")
    assert "labctl = labctl.cli.main:main" in points.read_text("utf-8").splitlines()


def labctl(unpacked: Path, folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the unpacked labctl in a folder; the checkout is out of its sight."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith("LABCTL_")}
    environment |= {
        "PYTHONPATH": str(unpacked),
        "HOME": str(folder),
        "USERPROFILE": str(folder),
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    program = "import sys, labctl; from labctl.cli.main import main; "
    program += "print(labctl.__file__, file=sys.stderr); main()"
    done = subprocess.run(
        [sys.executable, "-c", program, *arguments],
        cwd=folder,
        env=environment,
        capture_output=True,
        encoding="utf-8",
        timeout=60,
        check=False,
    )
    assert Path(done.stderr.splitlines()[0]).is_relative_to(unpacked), done.stderr
    return done


def test_it_prints_its_version(unpacked: Path, wheel: Path, tmp_path: Path) -> None:
    done = labctl(unpacked, tmp_path, "--version")
    match = re.match(r"labctl_vagrant-([^-]+)-", wheel.name)
    assert match
    assert done.stdout == f"labctl {match[1]}\n"


def test_it_renders_in_an_empty_folder(unpacked: Path, tmp_path: Path) -> None:
    done = labctl(unpacked, tmp_path, "render", "--nodes", "2", "--provider", "libvirt")
    assert done.returncode == 0, done.stderr
    assert '"docker-node2"' in done.stdout
    assert list(tmp_path.iterdir()) == []


def test_its_playbooks_are_found(unpacked: Path, tmp_path: Path) -> None:
    (tmp_path / "lab.yaml").write_text("machines: [{name: a, host: 127.0.0.1, port: 9}]\n", "utf-8")
    done = labctl(unpacked, tmp_path, "provision", "--with", "no-such-playbook")
    assert done.returncode == 2
    files = (ROOT / "playbooks").glob("*/play.py")
    names = sorted(playbook_name(path.parent.name) for path in files)
    assert f"available: {', '.join(names)}\n" in done.stderr
