"""Facts about a node: read once, kept in the lab's state, and checked in every run.

Plays choose resources by facts, such as an architecture, so a plan from another machine's facts
would be wrong. The first exchange of every run reads the facts too. If they differ from those in
the state, as after a node was recreated, the plays run again.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from labctl.errors import ProtocolError
from labctl.remote.exchange import Observed

PROBE = (
    'id=$(cat /etc/machine-id 2>/dev/null); echo "${id:-unknown}"; uname -m; '
    '. /etc/os-release 2>/dev/null; printf "%s\\n%s\\n" "$ID" "$VERSION_ID"'
)
"""Prints four lines: machine id, architecture, distribution, its version."""


_FACT = re.compile(r"[A-Za-z0-9 .+:~_-]{0,64}")


@dataclass(frozen=True, slots=True)
class Facts:
    """Properties that distinguish machines.

    Parameters:
        machine_id: systemd's machine id, which each installation has of its own.
        architecture: output of `uname -m`: ``x86_64``.
        distribution: ``ID`` of /etc/os-release, ``centos``.
        version: ``VERSION_ID`` of /etc/os-release, ``7``.
    """

    machine_id: str
    architecture: str
    distribution: str
    version: str

    @classmethod
    def read(cls, observed: Observed) -> Facts:
        """Return the facts that `PROBE` printed.

        Raises:
            ProtocolError: it printed something else.
        """
        lines = [*observed.output.splitlines(), "", "", "", ""]
        facts = [line.strip() for line in lines[:4]]
        if not all(map(_FACT.fullmatch, facts)):
            raise ProtocolError(
                "the node does not report its system",
                details=observed.text[:300],
                hint="check /etc/os-release and the output of `uname -m` on the node",
            )
        return cls(*facts)

    @property
    def major(self) -> str:
        """The distribution's major version, ``7``."""
        return self.version.partition(".")[0]
