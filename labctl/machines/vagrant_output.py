"""Parsers of Vagrant's output.

python-vagrant's own parsers fail on warnings between the lines.
"""

from __future__ import annotations

import re

from labctl.machines.base import MachineState

_STATES = {
    "running": MachineState.RUNNING,
    "poweroff": MachineState.STOPPED,
    "shutoff": MachineState.STOPPED,
    "aborted": MachineState.STOPPED,
    "saved": MachineState.SUSPENDED,
    "paused": MachineState.SUSPENDED,
    "pmsuspended": MachineState.SUSPENDED,
    "not_created": MachineState.ABSENT,
}

BOOTS = re.compile(r"Booting VM|Waiting for (domain to get an IP|machine to boot)")
"""Printed once the box is imported, the networks exist and the machine is started."""

ANSWERS = "Machine booted and ready"
"""Printed when the machine answers; folders and networks of the guest may take longer."""

LOCKED = re.compile(
    r"another\s+process\s+is\s+already\s+executing\s+an\s+action|"
    r"requested\s+machine\s+because\s+it\s+is\s+locked"
)
"""Printed if another Vagrant process uses the machine. Vagrant does not wait for it."""


def parse_states(text: str) -> dict[str, MachineState]:
    """Parse the output of ``vagrant status --machine-readable``.

    Lines are ``timestamp,target,type,data``; only those of type ``state`` count, so warnings
    in between are ignored.
    """
    states: dict[str, MachineState] = {}
    for line in text.splitlines():
        fields = line.split(",")
        if len(fields) >= 4 and fields[1] and fields[2] == "state":
            states[fields[1]] = _STATES.get(fields[3], MachineState.UNKNOWN)
    return states


def parse_checkpoints(text: str) -> list[str]:
    """Parse the output of ``vagrant snapshot list NODE``.

    Names are on lines of their own, which some versions of Vagrant indent. Lines that start with
    ``==>`` are headings or report that no snapshot exists.
    """
    lines = [line.strip() for line in text.splitlines()]
    return [line for line in lines if line and not line.startswith("==>") and " " not in line]


def summary(text: str) -> str:
    """Return the last lines of Vagrant's output without Ruby's stack."""
    lines = [
        line
        for line in text.splitlines()
        if line.strip() and not line.startswith(("\tfrom ", "\t "))
    ]
    return "\n".join(lines[-12:])
