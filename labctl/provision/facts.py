"""What a node is: read once, kept in the lab's state, and checked again at no cost.

Facts choose resources (a package's name, an architecture), so a plan made from facts of another
machine would be wrong. The snippet that reads them rides along in the first exchange of every run;
where the answer differs from what is kept, as after a rebuild, the plan is made anew.
"""

from __future__ import annotations

from dataclasses import dataclass

from labctl.remote.exchange import Observed

PROBE = (
    'id=$(cat /etc/machine-id 2>/dev/null); echo "${id:-unknown}"; uname -m; '
    '. /etc/os-release 2>/dev/null; printf "%s\\n%s\\n" "$ID" "$VERSION_ID"'
)
"""Prints four lines: machine id, architecture, distribution, its version."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What distinguishes one machine from another.

    Parameters:
        machine_id: systemd's machine id; another one means another installation.
        architecture: as `uname -m` says it, ``x86_64``.
        distribution: ``ID`` of /etc/os-release, ``centos``.
        version: ``VERSION_ID`` of /etc/os-release, ``7``.
    """

    machine_id: str
    architecture: str
    distribution: str
    version: str

    @classmethod
    def read(cls, observed: Observed) -> Facts:
        """Make facts of what `PROBE` printed."""
        lines = [*observed.output.splitlines(), "", "", "", ""]
        return cls(*(line.strip() for line in lines[:4]))

    @property
    def major(self) -> str:
        """The distribution's major version, ``7``."""
        return self.version.partition(".")[0]
