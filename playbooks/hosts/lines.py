"""Lines of /etc/hosts that are not labctl's and name a node of the lab."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from labctl.playbook import Findings, Observed, Obstacle, msg


@dataclass(frozen=True, slots=True)
class HostsLines:
    """Finds lines of /etc/hosts that give a node of the lab another address.

    The resolver takes the first line with a name, so such a line hides the one that labctl adds.

    Parameters:
        addresses: the other nodes of the lab, with their addresses.
    """

    addresses: Mapping[str, str]

    id = "preflight:/etc/hosts"
    what = "/etc/hosts"
    at_first_contact = False

    def probe(self) -> str:
        return "cat /etc/hosts"

    def examine(self, observed: Observed) -> Findings:
        found: list[Obstacle] = []
        ours = False
        for number, line in enumerate(observed.output.splitlines(), start=1):
            if line.startswith("# labctl "):
                ours = ": begin" in line
            address, *names = line.partition("#")[0].split() or [""]
            if ours or not names:
                continue
            wrong = [n for n in names if self.addresses.get(n, address) != address]
            # A stale line of the other family hides nothing.
            if wrong and ":" not in address:
                found.append(self._stale(number, address, wrong))
        return Findings(found)

    def _stale(self, number: int, address: str, names: list[str]) -> Obstacle:
        return Obstacle(
            msg(
                "line {number} of /etc/hosts maps {name} to {address} instead of {wanted}",
                number=number,
                name=names[0],
                address=address,
                wanted=self.addresses[names[0]],
            ),
            msg(
                "`sudo sed -i '/^[[:space:]]*{pattern}[[:space:]].*{name}/d' /etc/hosts` "
                "on the node",
                pattern=re.escape(address),
                name=names[0],
            ),
        )
