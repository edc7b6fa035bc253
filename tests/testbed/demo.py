"""`make demo`: from a fresh Debian to a lab of two virtual machines, as directly as it goes.

It begins before there is a virtual environment, so it needs nothing but Python.
"""

from __future__ import annotations

import os
import pwd
import sys
import time
from pathlib import Path

from tests.testbed import install, lifecycle, shell
from tests.testbed.errors import TestbedError
from tests.testbed.sources import overrides, to_yaml
from tests.testbed.stages import cache
from tests.testbed.tasks import Task

_REPOSITORY = Path(__file__).resolve().parents[2]
_VENV = _REPOSITORY / ".venv"
_LAST_LINES = 20
WORLD = "demo"


def run(folder: Path) -> int:
    """Bring the demo's lab up, kept in `folder`; the exit code."""
    install.preflight()
    start = time.monotonic()
    folder.mkdir(exist_ok=True)
    log = folder / "make-demo.log"

    def say(text: str) -> None:
        print(f"[{time.monotonic() - start:4.0f} s] {text}", flush=True)

    def done(name: str, seconds: float) -> None:
        say(f"{_SAID.get(name, name)}: {seconds:.0f} s")

    say(f"two virtual machines, provisioned and verified; the details are in {log}")
    with log.open("w") as stream:
        shell.log = stream
        try:
            cache().build(done, _tasks())
            lifecycle.up(WORLD)
        except TestbedError as problem:
            print(f"make demo: {problem}", file=sys.stderr)
            stream.flush()
            last = log.read_text().splitlines()[-_LAST_LINES:]
            print(f"\nThe last lines of {log}:", *last, sep="\n", file=sys.stderr)
            return 1
    finished = cache().folder
    (folder / "lab.yaml").write_text(
        (_REPOSITORY / "tests/demo.yaml").read_text()
        + to_yaml(overrides(finished("keys"), finished("compose")))
    )
    say("the testbed is up; now `labctl up --nodes 2`")
    os.environ.update(
        LABCTL_HOME=str(folder / "home"),
        LABCTL_LAB=str(folder),
        PATH=f"{_VENV / 'bin'}:{os.environ['PATH']}",
    )
    return lifecycle.run(WORLD, _up(log))


def _up(log: Path) -> list[str]:
    """Return the command that brings the lab up.

    A terminal gets labctl's live table. Elsewhere the changes on each node go to the log alone.
    """
    command = ["labctl", "up", "--nodes", "2"]
    if sys.stderr.isatty():
        return command
    return ["bash", "-c", _WITHOUT_CHANGES, "bash", str(log), *command]


_WITHOUT_CHANGES = r"""
set -o pipefail; log=$1; shift
"$@" 2>&1 | tee -a "$log" | grep --line-buffered -vE '^\[ *[0-9.]+ s\] [^ ]+: [a-z_-]+: [a-z]+ '
"""


_SAID = {
    "first": "packages to build with",
    "python": "labctl in .venv",
    "packages": "Vagrant, libvirt and QEMU",
    "base": "a Debian 12 for the machines",
    "buildroot": "a Debian 12 to build with",
    "keys": "keys and certificates",
    "seeds": "the machines' rpm database",
    "compose": "docker-compose, two releases",
    "rpms": "packages of CentOS and Docker",
    "repository": "their repositories",
    "images": "Docker Hub's images",
    "guest": "the machines' root file system",
    "box": "the box centos/7",
}


def _tasks() -> list[Task]:
    """Return what is missing on the host: packages, and labctl itself."""
    found = []
    if install.missing(install.FIRST):
        found.append(Task("first", lambda: install.install(install.FIRST)))
    if not _is_installed():
        found.append(Task("python", _install_labctl, ("first",)))
    if install.missing(install.DEMO):
        found.append(Task("packages", lambda: install.install(install.DEMO), ("first",)))
    return found


def _is_installed() -> bool:
    project = (_REPOSITORY / "pyproject.toml").stat().st_mtime
    stamps = [_VENV / ".ready", _VENV / ".demo"]
    return any(stamp.exists() and stamp.stat().st_mtime >= project for stamp in stamps)


def _install_labctl() -> None:
    # As the one who called sudo: the virtual environment is theirs.
    owner = pwd.getpwuid(int(os.environ.get("SUDO_UID", os.getuid())))
    prefix = [] if owner.pw_uid == os.getuid() else ["sudo", "-E", "-H", "-u", owner.pw_name]
    shell.run(*prefix, sys.executable, "-m", "venv", _VENV)
    shell.run(*prefix, _VENV / "bin/pip", "--disable-pip-version-check", "install", "--editable",
              _REPOSITORY)  # fmt: skip
    shell.run(*prefix, "touch", _VENV / ".demo")
