"""docker-compose 1.29.2 (Debian's) and 1.25.5 (from PyPI) as single executables, by PyInstaller.

They are what a user would download from GitHub in everything but their checksum.
"""

from __future__ import annotations

import concurrent.futures
from collections.abc import Mapping
from pathlib import Path

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
    "dockerpty==0.4.1",
    "docopt==0.6.2",
    "cached-property==1.5.2",
    "jsonschema==3.2.0",
    "attrs==22.2.0",
    "pyrsistent==0.20.0",
    "six==1.17.0",
)


def build(target: Path, finished: Mapping[str, Path]) -> None:
    """`target`/docker-compose-<version>, one for each."""
    work = target / "work"
    venv = work / "venv"
    # Debian's own interpreter: the bundled libraries must suit the guest's C library.
    run("/usr/bin/python3", "-m", "venv", venv)
    pip = (venv / "bin/pip", "--quiet", "--disable-pip-version-check", "install")
    run(*pip, PYINSTALLER)
    run(*pip, "--no-deps", "--target", work / "1.25.5", *REQUIREMENTS)
    debian = finished["payload"] / "root/usr/lib/python3/dist-packages"
    with concurrent.futures.ThreadPoolExecutor() as pool:
        jobs = (
            pool.submit(_bundle, target, work, "1.29.2", debian, ()),
            pool.submit(
                _bundle, target, work, "1.25.5", work / "1.25.5",
                ("--copy-metadata", "jsonschema", "--exclude-module", "pkg_resources"),
            ),
        )  # fmt: skip
        for job in jobs:
            job.result()
    run("rm", "-rf", work)


def _bundle(
    target: Path, work: Path, version: str, modules: Path, options: tuple[str, ...]
) -> None:
    folder = work / f"bundle-{version}"
    folder.mkdir()
    script = folder / "main.py"
    script.write_text("from compose.cli.main import main\n\nmain()\n")
    data = [
        word
        for schema in sorted((modules / "compose/config").glob("*.json"))
        for word in ("--add-data", f"{schema}:compose/config")
    ]
    run(
        work / "venv/bin/pyinstaller", "--noconfirm", "--clean", "--onefile", "--noupx", "--strip",
        "--name", f"docker-compose-{version}", "--distpath", target, "--workpath", folder / "work",
        "--specpath", folder, "--log-level", "ERROR", *data,
        "--copy-metadata", "docker_compose", "--collect-data", "jsonschema",
        "--collect-data", "certifi", "--hidden-import", "yaml",
        "--exclude-module", "tkinter", "--exclude-module", "setuptools", *options, script,
        cwd=folder,
        # PyInstaller's own cache would be shared by the two runs.
        env={"PYTHONPATH": str(modules), "PYINSTALLER_CONFIG_DIR": str(folder / "cache")},
    )  # fmt: skip
