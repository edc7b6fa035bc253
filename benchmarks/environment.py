"""On what it was measured: without it a figure cannot be repeated."""

from __future__ import annotations

import os
import platform
import subprocess
import time
from pathlib import Path
from typing import Any

from benchmarks import installing
from labctl import __version__

ROOT = Path(__file__).resolve().parent.parent


def describe() -> dict[str, Any]:
    """Return the machine and the versions of all that takes part."""
    return {
        "date": time.strftime("%Y-%m-%d"),
        "labctl": __version__,
        "commit": _first("git", "-C", str(ROOT), "rev-parse", "--short=12", "HEAD"),
        "processor": _processor(),
        "processors": os.cpu_count(),
        "memory": os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "ssh": _first("ssh", "-V"),
        "rsync": _first("rsync", "--version"),
        "vagrant": _first("vagrant", "--version"),
        **installing.versions(),
        "load": os.getloadavg()[0],
    }


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(": ")[2]
    return platform.machine()


def _first(*command: str) -> str:
    """Return the first line of a program's version."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return "none"
    return (done.stdout or done.stderr).partition("\n")[0].strip()
