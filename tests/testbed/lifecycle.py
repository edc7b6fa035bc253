"""Worlds seen from the host: start one, run commands in it, end it."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from tests.testbed import box, cgroups, namespaces, state, supervisor
from tests.testbed.errors import TestbedError
from tests.testbed.stages import cache, version

_REPOSITORY = Path(__file__).resolve().parents[2]
_UP_SECONDS = 60


def require_root() -> None:
    """Namespaces, mounts and bridges need it."""
    if os.geteuid():
        raise TestbedError("the testbed makes namespaces and mounts: run it as root (sudo)")


def is_up(name: str) -> bool:
    """Return True if the world runs and its services have answered."""
    place = state.folder(name)
    return state.living(place, "init") is not None and (place / "state.json").exists()


def up(name: str) -> state.State:
    """Start the world, unless it runs and is one of today's code; its state."""
    require_root()
    place = state.folder(name)
    if is_up(name):
        running = json.loads((place / "state.json").read_text())
        if running.get("version") == version(cache()):
            return state.read(place / "state.json")
    missing = cache().missing()
    if missing:
        names = ", ".join(stage.name for stage in missing)
        raise TestbedError(f"not built yet: {names}. Run: python -m tests.testbed build")
    down(name)
    shutil.rmtree(place, ignore_errors=True)
    (place / "logs").mkdir(parents=True)
    for folder in (state.ROOT, place):
        folder.chmod(0o700)
    box.vagrant_home(cache().folder("box"), place / "vagrant")
    with (place / "logs/supervisor.log").open("w") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.testbed.supervisor", name],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            env={**os.environ, "PYTHONPATH": str(_REPOSITORY)},
        )
    deadline = time.monotonic() + _UP_SECONDS
    try:
        while not (place / "state.json").exists():
            if process.poll() is not None or time.monotonic() > deadline:
                why = place / "failure"
                text = why.read_text() if why.exists() else "its supervisor ended"
                raise TestbedError(f"the world did not start: {text}\nIts logs: {place / 'logs'}")
            time.sleep(0.02)
    except BaseException:  # an interrupt too: half a world is no use
        process.kill()
        raise
    process.returncode = 0  # it outlives this process, and is nobody's to wait for
    return state.read(place / "state.json")


def down(name: str) -> None:
    """End the world and all that runs in it; nothing if it does not run."""
    require_root()
    place = state.folder(name)
    if not place.is_dir():
        return
    init = state.living(place, "init")
    if init:
        os.kill(init, signal.SIGKILL)
    deadline = time.monotonic() + 20
    while state.living(place, "init") or state.living(place, "guardian"):
        cgroups.thaw(name)
        if time.monotonic() > deadline:
            raise TestbedError(f"the world's processes do not end; see {place / 'processes.json'}")
        time.sleep(0.02)
    # The guardian has done it, unless someone killed it too.
    (place / "failure").unlink(missing_ok=True)
    supervisor.clear(name)


def run(name: str, command: Sequence[str]) -> int:
    """Run a command inside the world; its exit code."""
    require_root()
    if not is_up(name):
        raise TestbedError(f"no such world runs: python -m tests.testbed --world {name} up")
    place = state.folder(name)
    pid = state.living(place, "init")
    assert pid is not None
    environment = {
        **os.environ,
        state.VARIABLE: str(place / "state.json"),
        "VAGRANT_HOME": str(place / "vagrant"),
    }
    return namespaces.run_inside(pid, command, environment)


def status(name: str) -> str:
    """One line about the world."""
    place = state.folder(name)
    if not is_up(name):
        why = place / "failure"
        return f"{name}: down" + (f" ({why.read_text().splitlines()[0]})" if why.exists() else "")
    folder = place / "nodes"
    nodes = sorted(node.name for node in folder.iterdir()) if folder.is_dir() else []
    return f"{name}: up, in {place}; nodes: {', '.join(nodes) or 'none'}"
