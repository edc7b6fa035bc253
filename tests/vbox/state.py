"""The run state of a machine.

QEMU writes its number to a file and removes the file when it ends in order, which tells a machine
that was shut down ("poweroff") from one whose process was killed ("aborted").
"""

from __future__ import annotations

from pathlib import Path

from tests.vbox.machine import Machine

RUNNING = ("running", "paused")


def pid(machine: Machine, folder: Path) -> int | None:
    """The number of the machine's process, None if it does not run."""
    try:
        number = int((folder / "pid").read_text().strip() or 0)
        line = Path(f"/proc/{number}/cmdline").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return None
    # Numbers are used again, and a dead process that waits to be collected has no command line.
    return number if machine.uuid.encode() in line else None


def state(machine: Machine, folder: Path) -> str:
    """The machine's state, in VirtualBox's words."""
    if pid(machine, folder):
        return "paused" if machine.paused else "running"
    if machine.saved:
        return "saved"
    return "aborted" if (folder / "pid").exists() else "poweroff"
