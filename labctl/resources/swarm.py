"""A node's membership of a swarm, the one of its lab or none."""

from __future__ import annotations

from dataclasses import dataclass

from labctl.resources.base import Ask, Change, Observed, quote

PORT = 2377
"""Where managers take those who join."""
_STATE = "docker info --format '{{.Swarm.LocalNodeState}}'"


@dataclass(frozen=True, slots=True)
class SwarmManager:
    """This node manages a swarm, and is reached at its private address.

    Parameters:
        address: the node's address in the lab. The one that docker would choose by itself is that
            of the default route, and with VirtualBox the same on every node.
    """

    address: str

    @property
    def id(self) -> str:
        return "swarm:member"

    def probe(self) -> str:
        wanted = "{{.Swarm.LocalNodeState}} {{.Swarm.ControlAvailable}} {{.Swarm.NodeAddr}}"
        return f"docker info --format {quote(wanted)}"

    def plan(self, observed: Observed) -> Change | None:
        seen = observed.output.split()
        if not observed.ok:
            raise ValueError(f"the engine does not answer: {observed.output.strip()}")
        if seen == ["active", "true", self.address]:
            return None
        inside = seen[:1] != ["inactive"]
        own = quote(self.address)
        script = (
            f"{_leave(inside)}docker swarm init --advertise-addr {own} --data-path-addr {own}"
            # It prints the join token.
            " >/dev/null"
        )
        left = "leave another swarm and " if inside else ""
        return Change(
            f"{left}begin a swarm at {self.address}",
            script,
            f"-{' '.join(seen)}\n+active true {self.address}",
        )


@dataclass(frozen=True, slots=True)
class SwarmWorker:
    """This node works in the swarm of a manager.

    A swarm of the same manager before it was made anew is another one: its authority is another,
    and that can be seen from here. A node that somebody has made a manager too is left one: to take
    it out by force would cost the others their majority.

    Parameters:
        address: the node's address in the lab.
        manager: the manager's.
        ask: who tells the token to join with.
    """

    address: str
    manager: str
    ask: Ask

    @property
    def id(self) -> str:
        return "swarm:member"

    @property
    def _acquainted(self) -> str:
        """Return sh that fails where the manager is of another swarm than this node, or of none.

        curl says 60 where the other end's certificate is not signed by the authority of this
        node's swarm, and 7 where nobody takes the connection. That the manager wants a certificate
        too, and ends the conversation, is no matter.
        """
        root = "$(docker info --format '{{.DockerRootDir}}')"
        return (
            f'authority="{root}/swarm/certificates/swarm-root-ca.crt"\n'
            '[ -e "$authority" ] || exit 1\n'
            'curl --silent --output /dev/null --max-time 10 --cacert "$authority"'
            f" --resolve swarm-manager:{PORT}:{self.manager} https://swarm-manager:{PORT}/\n"
            "case $? in 7|60) exit 1;; esac"
        )

    def probe(self) -> str:
        wanted = (
            "{{.Swarm.LocalNodeState}} {{.Swarm.ControlAvailable}} {{.Swarm.NodeAddr}}"
            " {{range .Swarm.RemoteManagers}}{{.Addr}} {{end}}"
        )
        return (
            f"docker info --format {quote(wanted)} || exit 1\n"
            f"( {self._acquainted}\n) || echo stranger"
        )

    def plan(self, observed: Observed) -> Change | None:
        seen = observed.output.split()
        if not observed.ok:
            raise ValueError(f"the engine does not answer: {observed.output.strip()}")
        at = f"{self.manager}:{PORT}"
        wanted = ["active", "false", self.address, at]
        # What stands second tells whether it manages; there may be other managers besides.
        member = seen[:1] == wanted[:1] and seen[2:3] == [self.address] and at in seen[3:]
        if member and "stranger" not in seen:
            return None
        inside = seen[:1] != ["inactive"]
        own = quote(self.address)
        join = (
            f'{_leave(inside)}docker swarm join --token "$answer" --advertise-addr {own}'
            f" --data-path-addr {own} {quote(at)}"
        )
        if member:
            # The manager's engine may just have been restarting; by now it has answered.
            join = f"if ( {self._acquainted}\n); then exit 0; fi\n{join}"
        left = "leave another swarm and " if inside else ""
        return Change(
            f"{left}join the swarm of {at}",
            join,
            f"-{' '.join(seen)}\n+{' '.join(wanted)}",
            self.ask,
        )


@dataclass(frozen=True, slots=True)
class NoSwarm:
    """This node is in no swarm: an engine with an external store refuses to be."""

    @property
    def id(self) -> str:
        return "swarm:none"

    def probe(self) -> str:
        return _STATE

    def plan(self, observed: Observed) -> Change | None:
        state = observed.output.strip()
        # An engine that does not answer may be about to be repaired; the next one to ask tells.
        if not observed.ok or state == "inactive":
            return None
        return Change(
            "leave the swarm, and with it its services: etcd and swarm exclude each other",
            "docker swarm leave --force",
            f"-{state}\n+inactive",
        )


def _leave(inside: bool) -> str:
    return "set -e; docker swarm leave --force >/dev/null; " if inside else ""
