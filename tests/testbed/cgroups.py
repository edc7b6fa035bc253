"""A control group of its own for each node, so that nodes neither share one nor leave one behind.

systemd-nspawn gives a node a view that starts at the group it was started in; without this, the
engines of all nodes would keep their containers in the host's own /docker.
"""

from __future__ import annotations

from pathlib import Path

_MOUNT = Path("/sys/fs/cgroup")
_PREFIX = "labctl-testbed-"


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


def remove(world: str, node: str = "") -> None:
    """Remove a node's groups, or those of a whole world, once their processes have ended."""
    for root in hierarchies():
        top = root / f"{_PREFIX}{world}" / node
        if top.is_dir():
            # Folders of control groups hold files that go by themselves; children go first.
            folders = sorted((path for path in top.rglob("*") if path.is_dir()), reverse=True)
            for folder in (*folders, top):
                folder.rmdir()
