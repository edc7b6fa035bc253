"""A control group of its own for each node, so that nodes neither share one nor leave one behind.

systemd-nspawn gives a node a view that starts at the group it was started in; without this, the
engines of all nodes would keep their containers in the host's own /docker.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time
from pathlib import Path

from tests.testbed.errors import TestbedError

_MOUNT = Path("/sys/fs/cgroup")
_PREFIX = "labctl-testbed-"
_SECONDS = 20


def hierarchies() -> list[Path]:
    """Roots of the host's hierarchies: several under version 1, one under version 2."""
    found = []
    for line in Path("/proc/self/mounts").read_text().splitlines():
        _, place, kind, *_ = line.split()
        if kind in ("cgroup", "cgroup2") and Path(place).is_relative_to(_MOUNT):
            found.append(Path(place))
    return list(dict.fromkeys(found))


def make(world: str, node: str) -> list[Path]:
    """Make a node's group in every hierarchy."""
    made = []
    for root in hierarchies():
        for folder in (root / f"{_PREFIX}{world}", root / f"{_PREFIX}{world}" / node):
            folder.mkdir(exist_ok=True)
            for setting in ("cpuset.cpus", "cpuset.mems"):
                # A new cpuset of version 1 has no processors and takes no process.
                file = folder / setting
                if file.exists() and not file.read_text().strip():
                    file.write_text((folder.parent / setting).read_text())
        made.append(folder)
    return made


def thaw(world: str, node: str = "") -> None:
    """Wake what is frozen (a paused container): it would not take its death."""
    for folder in _folders(world, node):
        for name, value in (("freezer.state", "THAWED"), ("cgroup.freeze", "0")):
            with contextlib.suppress(OSError):
                if (folder / name).exists():
                    (folder / name).write_text(value)


def remove(world: str, node: str = "") -> None:
    """Kill what is left in a node's groups, or in those of a whole world, and remove them."""
    deadline = time.monotonic() + _SECONDS
    while folders := _folders(world, node):
        thaw(world, node)
        for folder in folders:
            with contextlib.suppress(OSError):
                for pid in (folder / "cgroup.procs").read_text().split():
                    os.kill(int(pid), signal.SIGKILL)
        for folder in folders:
            # Its files go by themselves. A killed process leaves its group a moment later.
            with contextlib.suppress(OSError):
                folder.rmdir()
        if time.monotonic() > deadline:
            raise TestbedError(f"processes in {folders[-1]} do not die")
        time.sleep(0.01)


def _folders(world: str, node: str) -> list[Path]:
    """All groups below a node's or a world's, children first."""
    return [
        Path(folder)
        for root in hierarchies()
        for folder, _, _ in os.walk(root / f"{_PREFIX}{world}" / node, topdown=False)
    ]
