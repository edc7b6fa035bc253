"""A world's folder: who runs it, what it offers, its nodes and logs."""

from __future__ import annotations

import json
import os
import re
from dataclasses import asdict, dataclass
from pathlib import Path

from tests.testbed.errors import TestbedError

# A real file system with room: the nodes' images and overlays are here.
ROOT = Path("/var/tmp/labctl-testbed")
VARIABLE = "LABCTL_TESTBED_WORLD"


@dataclass(frozen=True)
class State:
    """The published state of a started world, in state.json."""

    name: str
    service_address: str
    # Identity of the network namespace, to check that a process is inside.
    network: int
    # What it is made of, code included: another one's world is no use to newer tests.
    version: str
    guest: Path
    keys: Path
    box: Path
    sources: dict[str, dict[str, object]]


def folder(name: str) -> Path:
    """Folder of the world `name`."""
    if not re.fullmatch(r"[a-z][a-z0-9-]{0,15}", name):
        raise TestbedError(f"“{name}” is no name for a world: a-z, 0-9, -, at most 16 characters")
    return ROOT / name


def write(place: Path, state: State) -> None:
    """Put state.json in place at once."""
    fresh = place / "state.json.new"
    fresh.write_text(json.dumps(asdict(state), default=str, indent=1))
    fresh.rename(place / "state.json")


def read(file: Path) -> State:
    """The state of a world from its state.json."""
    stored = json.loads(file.read_text())
    paths = {name: Path(stored[name]) for name in ("guest", "keys", "box")}
    return State(**{**stored, **paths})


def network_identity() -> int:
    """Inode of this process's network namespace."""
    return Path("/proc/self/ns/net").stat().st_ino


def start_time(pid: int) -> str | None:
    """When a process started, in the kernel's ticks; None if it is gone or a zombie.

    With its number, it names a process for good: numbers are used again.
    """
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return None if fields[0] in "ZX" else fields[19]


def record_process(place: Path, pid: int) -> None:
    """Note the world's first process (its number on the host) and this one, its guardian."""
    record = {
        role: {"pid": number, "started": start_time(number)}
        for role, number in (("init", pid), ("guardian", os.getpid()))
    }
    fresh = place / "processes.json.new"
    fresh.write_text(json.dumps(record))
    fresh.rename(place / "processes.json")


def living(place: Path, role: str) -> int | None:
    """The process that `record_process` noted as `role`, if it is still running."""
    try:
        record = json.loads((place / "processes.json").read_text())[role]
    except FileNotFoundError:
        return None
    pid = int(record["pid"])
    return pid if record["started"] and start_time(pid) == record["started"] else None
