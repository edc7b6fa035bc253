"""Detects whether this computer's processor supports virtual machines."""

from __future__ import annotations

import sys
from pathlib import Path


def emulated(cpuinfo: Path = Path("/proc/cpuinfo"), platform: str = sys.platform) -> bool:
    """Return True if virtual machines must be emulated here, which is slow.

    The processor's flags decide. /dev/kvm proves nothing: it exists inside some virtual machines in
    which no guest runs.
    """
    if not platform.startswith("linux"):
        return False
    try:
        text = cpuinfo.read_text("utf-8", "replace")
    except OSError:
        return False
    flags = {
        flag for line in text.splitlines() if line.startswith("flags") for flag in line.split()
    }
    return bool(flags) and not flags & {"vmx", "svm"}
