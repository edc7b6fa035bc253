"""The peers from the package registry, in a virtual environment of their own.

They are no dependencies of labctl: nothing here is imported, only run.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import venv
from pathlib import Path

from benchmarks.errors import BenchError

_WANTED = Path(__file__).with_name("requirements.txt")


def folder() -> Path:
    """Return where the peers of this version of the benchmarks are kept."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    python = f"{sys.version_info.major}.{sys.version_info.minor}\n"
    digest = hashlib.sha256(python.encode() + _WANTED.read_bytes()).hexdigest()[:12]
    return cache / "labctl-benchmarks" / f"peers-{digest}"


def program(name: str) -> str:
    """Return the path of a peer's program.

    Raises:
        BenchError: the peers are not installed.
    """
    path = folder() / "bin" / name
    if not path.exists():
        raise BenchError(f"{path} is missing: run `python -m benchmarks` outside of a world first")
    return str(path)


def install() -> None:
    """Install what is not there yet."""
    place = folder()
    if (place / "complete").exists():
        return
    shutil.rmtree(place, ignore_errors=True)
    venv.create(place, with_pip=True)
    quiet = ["--quiet", "--disable-pip-version-check"]
    subprocess.run([place / "bin/pip", "install", *quiet, "--requirement", _WANTED], check=True)
    (place / "complete").touch()


def versions() -> dict[str, str]:
    """Return the versions that are asked for, by name."""
    lines = (line.partition("==") for line in _WANTED.read_text("utf-8").split())
    return {name: version for name, _, version in lines}
