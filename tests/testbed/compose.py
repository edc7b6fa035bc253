"""docker-compose 1.29.2 (Debian's) and 1.25.5 (from PyPI) as single executables, by PyInstaller.

They are what a user would download from GitHub in everything but their checksum. The Python in
them is the buildroot's, because the host's may want a newer C library than the guest has.
"""

from __future__ import annotations

import concurrent.futures
import shutil
from collections.abc import Mapping
from pathlib import Path

from tests.testbed.buildroot import Buildroot
from tests.testbed.debian import PYTHON
from tests.testbed.shell import run

PYINSTALLER = "pyinstaller==6.11.1"
REQUIREMENTS = (
    "docker-compose==1.25.5",
    "docker==4.4.4",
    "requests==2.28.2",
    "urllib3==1.26.20",
    "charset-normalizer==3.4.1",
    "idna==3.10",
    "certifi",
    "PyYAML==6.0.2",
    "texttable==1.7.0",
    "websocket-client==0.59.0",
    "cached-property==1.5.2",
    "jsonschema==3.2.0",
    "attrs==22.2.0",
    "pyrsistent==0.20.0",
    "six==1.17.0",
)
# PyPI has these as sources alone; Debian's are the same releases.
_FROM_DEBIAN = ("docopt.py", "dockerpty")
# Debian's own has no pip.
_PYTHON = Path(__file__).resolve().parents[2] / ".venv/bin/python"
_DIST_PACKAGES = "usr/lib/python3/dist-packages"


def build(target: Path, finished: Mapping[str, Path]) -> None:
    """`target`/docker-compose-<version>, one for each."""
    buildroot = Buildroot.of(finished)
    work = target / "work"
    venv = work / "venv"
    buildroot.run("python3", "-m", "venv", "--without-pip", venv)
    _install(venv / f"lib/python{PYTHON}/site-packages", PYINSTALLER)
    _install(work / "1.25.5", "--no-deps", *REQUIREMENTS)
    for name in _FROM_DEBIAN:
        source = buildroot.root / _DIST_PACKAGES / name
        run("cp", "-r", source, work / "1.25.5")
    with concurrent.futures.ThreadPoolExecutor() as pool:
        jobs = (
            pool.submit(_bundle, buildroot, target, "1.29.2", buildroot.root / _DIST_PACKAGES, ()),
            pool.submit(
                _bundle, buildroot, target, "1.25.5", work / "1.25.5",
                ("--copy-metadata", "jsonschema", "--exclude-module", "pkg_resources"),
            ),
        )  # fmt: skip
        for job in jobs:
            job.result()
    shutil.rmtree(work)


def _install(folder: Path, *requirements: str) -> None:
    """Put PyPI's packages into `folder`, in their builds for the buildroot's Python."""
    run(_PYTHON, "-m", "pip", "--quiet", "--disable-pip-version-check", "install",
        "--only-binary", ":all:", "--implementation", "cp", "--python-version", PYTHON,
        "--platform", "manylinux2014_x86_64", "--no-compile", "--target", folder,
        *requirements)  # fmt: skip


def _bundle(
    buildroot: Buildroot, target: Path, version: str, modules: Path, options: tuple[str, ...]
) -> None:
    work = target / "work"
    folder = work / f"bundle-{version}"
    folder.mkdir()
    script = folder / "main.py"
    script.write_text("from compose.cli.main import main\n\nmain()\n")
    data = [
        word
        for schema in sorted((modules / "compose/config").glob("*.json"))
        for word in ("--add-data", f"{schema}:compose/config")
    ]
    buildroot.run(
        work / "venv/bin/python", "-m", "PyInstaller",
        "--noconfirm", "--clean", "--onefile", "--noupx",
        "--name", f"docker-compose-{version}", "--distpath", target, "--workpath", folder / "work",
        "--specpath", folder, "--log-level", "ERROR", *data,
        "--copy-metadata", "docker_compose", "--collect-data", "jsonschema",
        "--collect-data", "certifi", "--hidden-import", "yaml",
        "--exclude-module", "tkinter", "--exclude-module", "setuptools", *options, script,
        cwd=folder,
        # PyInstaller's own cache would be shared by the two runs.
        env={"PYTHONPATH": str(modules), "PYINSTALLER_CONFIG_DIR": str(folder / "cache")},
    )  # fmt: skip
