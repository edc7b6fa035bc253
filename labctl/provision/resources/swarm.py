"""A node's membership of a swarm, the one of its lab or none."""

from __future__ import annotations

from dataclasses import dataclass, replace

from labctl.provision.resources.base import Change, Observed, PeerQuery, quote

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
        own = quote(self.address)
        script = (
            f"{_leave(inside)}docker swarm init --advertise-addr {own} --data-path-addr {own}"
            # It prints the join token.
            " >/dev/null"
        )
        left = "leave another swarm and " if inside else ""
        return Change(f"{left}begin a swarm at {self.address}", script, diff)

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
        script = (
            "waited=0\n"
            "until docker info --format '{{.Swarm.ControlAvailable}}' | grep -q true; do\n"
            '  [ "$waited" -lt 60 ] || exit 1\n'
            "  sleep 1; waited=$((waited + 1))\n"
            "done"
        )
        return Change(
            "be made a manager again of the swarm that this node is in", script, diff, chain
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
    ask: PeerQuery

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
        left = "leave another swarm and " if inside else ""
        summary = f"{left}join the swarm of {at}"
        if seen[:1] == ["active"] and seen[2:3] == [self.address]:
            # Which swarm it is in is seen when the manager has answered: its engine may just have
            # been restarting, or it was no manager for a while, and has been made one again.
            summary = f"be in the swarm of {at}"
            join = f"{self._stays(at)}\n{join}"
        return Change(
            summary,
            join,
            f"-{' '.join(seen)}\n+{' '.join(wanted)}",
            self.ask,
        )

    def _stays(self, at: str) -> str:
        """Return sh that ends well once the manager is one of this node's swarm.

        It goes on where the manager's is another. A node hears of a new manager within seconds.
        """
        listed = "docker info --format '{{range .Swarm.RemoteManagers}} {{.Addr}} {{end}}'"
        return (
            "waited=0\n"
            f"while ( {self._acquainted}\n); do\n"
            f"  if {listed} | grep -qF {quote(f' {at} ')}; then exit 0; fi\n"
            '  if [ "$waited" -ge 60 ]; then\n'
            f"    echo {quote(f'this node does not hear of its manager {at}')}; exit 1\n"
            "  fi\n"
            "  sleep 1; waited=$((waited + 1))\n"
            "done"
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
