"""Parsers of Vagrant's output.

python-vagrant's own parsers fail on warnings between the lines.
"""

from __future__ import annotations

import re

from labctl.machines.base import MachineState, Provider, Remedy

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
"""What Vagrant says once the box is imported, the networks are made and the machine is started."""

ANSWERS = "Machine booted and ready"
"""What Vagrant says when the machine answers; folders and networks of the guest may take longer."""

LOCKED = re.compile(
    r"another\s+process\s+is\s+already\s+executing\s+an\s+action|"
    r"requested\s+machine\s+because\s+it\s+is\s+locked"
)
"""What Vagrant says of a machine that another Vagrant works on. It does not wait for that one."""

_REMEDIES = (
    Remedy(
        r"Couldn't resolve host|Could not resolve host",
        "the box cannot be downloaded: no name lookup",
    ),
    Remedy(
        r"box .* could not be found|couldn't be found", "check 'box' in lab.yaml, or add it by hand"
    ),
    Remedy(r"[Cc]hecksum", "the downloaded box is not the expected one; check 'box: sha256'"),
    Remedy(r"No space left on device", "make room on this machine's disk"),
    Remedy(r"Cannot allocate memory", "give the nodes less memory, or close other programs"),
    Remedy(
        r"[Tt]imed out while waiting for the machine",
        "raise boot_timeout in lab.yaml, or see the log",
    ),
    Remedy(
        r"forwarded port|already in use",
        "another program holds a port; `vagrant global-status` helps",
    ),
    Remedy(r"permission denied|Permission denied", "may this user use the provider? see the log"),
)
"""What Vagrant itself prints, and what helps; `Provider.remedies` has what a provider prints."""


def parse_states(text: str) -> dict[str, MachineState]:
    """Read what ``vagrant status --machine-readable`` prints.

    Lines are ``timestamp,target,type,data``; only those of type ``state`` count, so warnings
    in between do no harm.
    """
    states: dict[str, MachineState] = {}
    for line in text.splitlines():
        fields = line.split(",")
        if len(fields) >= 4 and fields[1] and fields[2] == "state":
            states[fields[1]] = _STATES.get(fields[3], MachineState.UNKNOWN)
    return states


def parse_checkpoints(text: str) -> list[str]:
    """Read what ``vagrant snapshot list NODE`` prints.

    Names stand on lines of their own, indented or not by Vagrant's version; lines that begin with
    ``==>`` are headings, or say that there are none.
    """
    lines = [line.strip() for line in text.splitlines()]
    return [line for line in lines if line and not line.startswith("==>") and " " not in line]


def summary(text: str) -> str:
    """Return the last lines of Vagrant's output that say something: Ruby's stack is left out."""
    lines = [
        line
        for line in text.splitlines()
        if line.strip() and not line.startswith(("\tfrom ", "\t "))
    ]
    return "\n".join(lines[-12:])


def remedy(text: str, provider: Provider) -> str:
    """Return what helps against what Vagrant complains of; empty where nothing is known."""
    for known in (*provider.remedies, *_REMEDIES):
        if re.search(known.pattern, text):
            return known.text
    return ""
