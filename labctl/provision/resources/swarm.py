"""A node in the swarm of its lab, or in no swarm."""

from __future__ import annotations

from dataclasses import dataclass, replace

from labctl.messages import msg
from labctl.provision.resources.base import Change, Observed, PeerQuery, quote, shell_script

PORT = 2377
"""Port on which managers accept joining nodes."""
_STATE = "docker info --format '{{.Swarm.LocalNodeState}}'"


@dataclass(frozen=True, slots=True)
class SwarmManager:
    """This node manages a swarm at its private address.

    If another node of the lab manages the swarm of this node, as after `docker node demote`, that
    node promotes this one again; the swarm and its services stay. If this node could only become a
    manager by losing the swarm, that is an error and the swarm stays as it is.

    Parameters:
        address: the node's address in the lab. The one that docker would choose by itself is that
            of the default route, which with VirtualBox is the same on every node.
        others: for each other node of the lab, its address and a `PeerQuery` without a script,
            which waits until its engine is provisioned.
    """

    address: str
    others: tuple[tuple[str, PeerQuery], ...] = ()

    @property
    def id(self) -> str:
        return "swarm:member"

    def probe(self) -> str:
        wanted = (
            "{{.Swarm.LocalNodeState}} {{.Swarm.ControlAvailable}} {{.Swarm.NodeAddr}}"
            " {{.Swarm.NodeID}}{{range .Swarm.RemoteManagers}} {{.Addr}}{{end}}"
        )
        return f"docker info --format {quote(wanted)}"

    def plan(self, observed: Observed) -> Change | None:
        seen = observed.output.split()
        if not observed.ok:
            raise ValueError(
                msg("the engine does not answer: {output}", output=observed.output.strip())
            )
        if seen[:3] == ["active", "true", self.address]:
            return None
        if seen[:1] == ["locked"]:
            raise ValueError(
                "the swarm that this node manages is locked; open it with `docker swarm unlock`"
            )
        diff = f"-{' '.join(seen)}\n+active true {self.address}"
        managers = [at for at in seen[4:] if at != f"{seen[2]}:{PORT}"]  # the others
        if seen[:1] == ["active"] and (managers or seen[1:2] == ["false"]):
            return self._promotion(seen, managers, diff)
        inside = seen[:1] != ["inactive"]
        script = shell_script(
            __file__, "swarm_init.sh", own=self.address, inside="yes" if inside else ""
        )
        left = msg("leave the old swarm and ") if inside else ""
        return Change(
            msg("{left}create a swarm at {address}", left=left, address=self.address), script, diff
        )

    def _promotion(self, seen: list[str], managers: list[str], diff: str) -> Change:
        """Return the change by which another manager promotes this active node.

        Raises:
            ValueError: none of them is a node of the lab, or this node joined with an address that
                a manager cannot have.
        """
        queries = [query for address, query in self.others if f"{address}:{PORT}" in managers]
        if not queries or seen[2] != self.address:
            raise ValueError(
                msg(
                    "this node ({seen}) is in a swarm managed by {managers} and "
                    "cannot manage it at {address}; if you need nothing from that "
                    "swarm, run `docker swarm leave` on this node",
                    seen=seen[2],
                    managers=", ".join(managers) or "nobody",
                    address=self.address,
                )
            )
        chain: PeerQuery | None = None
        for query in reversed(queries):
            script = f"docker node promote {quote(seen[3])}"
            chain = replace(query, script=script, fallback=chain)
        script = shell_script(__file__, "swarm_promoted.sh")
        return Change("make this node a manager of its swarm again", script, diff, chain)


@dataclass(frozen=True, slots=True)
class SwarmWorker:
    """This node is in the swarm of a manager.

    A recreated manager has another swarm, which has another certificate authority. A node that
    somebody has promoted stays a manager, because removing it by force could cost the other
    managers their majority.

    Parameters:
        address: the node's address in the lab.
        manager: the manager's.
        query: reads the join token.
    """

    address: str
    manager: str
    query: PeerQuery

    @property
    def id(self) -> str:
        return "swarm:member"

    def probe(self) -> str:
        wanted = (
            "{{.Swarm.LocalNodeState}} {{.Swarm.ControlAvailable}} {{.Swarm.NodeAddr}}"
            " {{range .Swarm.RemoteManagers}}{{.Addr}} {{end}}"
        )
        return shell_script(
            __file__,
            *("same_swarm.sh", "swarm_probe.sh"),
            manager=self.manager,
            port=str(PORT),
            format=wanted,
        )

    def plan(self, observed: Observed) -> Change | None:
        seen = observed.output.split()
        if not observed.ok:
            raise ValueError(
                msg("the engine does not answer: {output}", output=observed.output.strip())
            )
        at = f"{self.manager}:{PORT}"
        wanted = ["active", "false", self.address, at]
        # The second word is true for a manager, which does not matter here.
        member = seen[:1] == wanted[:1] and seen[2:3] == [self.address] and at in seen[3:]
        if member and "stranger" not in seen:
            return None
        inside = seen[:1] != ["inactive"]
        left = msg("leave the old swarm and ") if inside else ""
        summary = msg("{left}join the swarm of {at}", left=left, at=at)
        known = seen[:1] == ["active"] and seen[2:3] == [self.address]
        if known:
            # Which swarm it is in shows once the manager has answered: its engine may only have
            # been restarting, or it was demoted for a while and is a manager again.
            summary = msg("make sure to be in the swarm of {at}", at=at)
        script = shell_script(
            __file__,
            *("same_swarm.sh", "swarm_join.sh"),
            own=self.address,
            manager=self.manager,
            port=str(PORT),
            inside="yes" if inside else "",
            known="yes" if known else "",
        )
        return Change(
            summary,
            script,
            f"-{' '.join(seen)}\n+{' '.join(wanted)}",
            self.query,
        )


@dataclass(frozen=True, slots=True)
class NoSwarm:
    """This node is in no swarm, because an engine with an external store cannot be in one."""

    @property
    def id(self) -> str:
        return "swarm:none"

    def probe(self) -> str:
        return _STATE

    def plan(self, observed: Observed) -> Change | None:
        state = observed.output.strip()
        # An engine that does not answer may be repaired later in this run.
        if not observed.ok or state == "inactive":
            return None
        return Change(
            "leave the swarm and its services, because etcd and Swarm exclude each other",
            "docker swarm leave --force",
            f"-{state}\n+inactive",
        )
