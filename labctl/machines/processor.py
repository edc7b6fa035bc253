"""Whether this computer's processor runs virtual machines by itself."""

from __future__ import annotations

import sys
from pathlib import Path


def emulated(cpuinfo: Path = Path("/proc/cpuinfo"), platform: str = sys.platform) -> bool:
    """Tell whether virtual machines have to be emulated here, which is slow.

    The processor's flags decide. That /dev/kvm exists says nothing: it does inside some virtual
    machines in which no guest runs.
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
