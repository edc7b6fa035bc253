"""A node's membership of a swarm, the one of its lab or none."""

from __future__ import annotations

from dataclasses import dataclass, replace

from labctl.provision.resources.base import Change, Observed, PeerQuery, quote, shell_script

PORT = 2377
"""Where managers take those who join."""
_STATE = "docker info --format '{{.Swarm.LocalNodeState}}'"


@dataclass(frozen=True, slots=True)
class SwarmManager:
    """This node manages a swarm, and is reached at its private address.

    One that works in a swarm which another node of the lab manages, as after `docker node demote`,
    is made a manager again by that node: the swarm, and what runs in it, stays. A swarm that cannot
    be managed from here without losing it is left alone, and somebody has to see to it.

    Parameters:
        address: the node's address in the lab. The one that docker would choose by itself is that
            of the default route, and with VirtualBox the same on every node.
        others: for each other node of the lab, its address and a `PeerQuery` without a script,
            which waits until its engine is as wanted.
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
            raise ValueError(f"the engine does not answer: {observed.output.strip()}")
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
        left = "leave another swarm and " if inside else ""
        return Change(f"{left}create a swarm at {self.address}", script, diff)

    def _promotion(self, seen: list[str], managers: list[str], diff: str) -> Change:
        """Return how an active node, which others manage, comes to be a manager too.

        Raises:
            ValueError: none of them is a node of the lab, or they know this one by an address by
                which it cannot manage.
        """
        asks = [ask for address, ask in self.others if f"{address}:{PORT}" in managers]
        if not asks or seen[2] != self.address:
            raise ValueError(
                f"this node, as {seen[2]}, is in a swarm that {', '.join(managers) or 'nobody'}"
                f" manages, and cannot manage it as {self.address}; `docker swarm leave` on this"
                " node leaves it, if nothing in it is needed"
            )
        chain: PeerQuery | None = None
        for ask in reversed(asks):
            script = f"docker node promote {quote(seen[3])}"
            chain = replace(ask, script=script, instead=chain)
        script = shell_script(__file__, "swarm_promoted.sh")
        return Change("make this node a manager of its swarm again", script, diff, chain)


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
    ask: PeerQuery

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
            raise ValueError(f"the engine does not answer: {observed.output.strip()}")
        at = f"{self.manager}:{PORT}"
        wanted = ["active", "false", self.address, at]
        # What stands second tells whether it manages; there may be other managers besides.
        member = seen[:1] == wanted[:1] and seen[2:3] == [self.address] and at in seen[3:]
        if member and "stranger" not in seen:
            return None
        inside = seen[:1] != ["inactive"]
        left = "leave another swarm and " if inside else ""
        summary = f"{left}join the swarm of {at}"
        known = seen[:1] == ["active"] and seen[2:3] == [self.address]
        if known:
            # Which swarm it is in shows once the manager has answered: its engine may only have
            # been restarting, or it was demoted for a while and is a manager again.
            summary = f"be in the swarm of {at}"
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
