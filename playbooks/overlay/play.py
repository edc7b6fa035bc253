"""Networks that reach across nodes: by etcd as in the course, or by Swarm for newer engines.

Either way a container on one node reaches one on another by its name, over
`docker network create --driver overlay --attachable NAME`; with Swarm, networks are made on the
first node, which manages it, and which another manager makes one again where somebody has demoted
it. An engine that has an external store cannot be in a swarm, so each way undoes the other: the
playbook mirrors, which writes daemon.json, has left the swarm before it writes `cluster-store`, or
has restarted the engine without it before a swarm is begun here. The store is kept by the playbook
etcd, which this one brings along.
"""

from collections.abc import Mapping

from labctl.playbook import Command, PeerQuery, Play, Plays, SwarmManager, SwarmWorker, msg, quote
from labctl.provision import lab_services

NEEDS = ("hosts", "mirrors", "etcd")
CHECKED_TOGETHER = True

_HEALTH_SECONDS = 30
"""How long a member takes to see that there is a majority, once there is one."""
_SERF_SECONDS = 120
"""How long an engine may take to find the store; it looks three times a minute."""


def play(play: Play) -> Plays:
    if play.node.address is None:
        raise ValueError(
            msg("{node} has no address in the lab; give it one in lab.yaml", node=play.node.name)
        )
    if lab_services.overlay_mode(play.lab) == "etcd":
        yield _neighbours(play.node.name, lab_services.etcd_members(play.lab))
    else:
        yield from _swarm(play, play.node.address)


def _neighbours(node: str, members: Mapping[str, str]) -> Command:
    """The engine hears from the others what containers they have, which it does over serf.

    It begins with that when it finds its store, for which it looks as it starts, and then three
    times a minute. But the playbook mirrors started it before there was a store, and of a container
    that joins a network meanwhile the other engines never hear. A restart finds the store at once;
    where a container runs that would end by it, the engine is waited for.
    """
    heard = f"ss --listening --tcp --numeric | grep -q ':{lab_services.SERF_PORT} '"
    # Who keeps nothing has just heard it of a member.
    healthy = lab_services.etcd_healthy(members[node]) if node in members else ":"
    return Command(
        "connect the engine to the other engines",
        check=f"systemctl is-active --quiet docker && {heard}",
        apply="\n".join(
            [
                "until_true() {",
                '  waited=0; until eval "$2"; do',
                '    [ "$waited" -lt "$1" ] || { echo "not within $1 s: $2"; exit 1; }',
                "    sleep 1; waited=$((waited + 1))",
                "  done",
                "}",
                f"until_true {_HEALTH_SECONDS} {quote(healthy)}",
                # Its unit allows three starts a minute, and these were two already.
                lab_services.ENDED_BY_RESTART,
                'if [ -z "$(ended_by_restart)" ]; then',
                "  systemctl reset-failed docker; systemctl restart docker || exit 1",
                "fi",
                f"until_true {_SERF_SECONDS} {quote(heard)}",
            ]
        ),
        query=_majority(node, members),
    )


def _majority(node: str, members: Mapping[str, str]) -> PeerQuery | None:
    """Return whom a node has to hear before the store is of use; None: it keeps it alone.

    Two members are a majority, of two and of three. So a member waits until the next one keeps the
    store too, or, where that one failed, the one after it. A node that keeps nothing waits for a
    member that has waited so.
    """
    names = list(members)
    if node in members:
        at = names.index(node)
        playbook, others = "etcd", [*names[at + 1 :], *names[:at]]
    else:
        playbook, others = "overlay", names
    query: PeerQuery | None = None
    for other in reversed(others):
        query = PeerQuery(
            other, playbook, lab_services.etcd_healthy(members[other]), fallback=query
        )
    return query


def _swarm(play: Play, address: str) -> Plays:
    manager = lab_services.overlay_manager(play.lab)
    if play.node.name == manager:
        # Behind overlay itself they wait for this node.
        others = [
            (at, PeerQuery(name, "etcd")) for name, at in play.addresses.items() if at != address
        ]
        yield SwarmManager(address, tuple(others))
        return
    at = play.addresses.get(manager)
    if at is None:
        raise ValueError(
            msg("{node} has no address in the lab; give it one in lab.yaml", node=manager)
        )
    query = PeerQuery(manager, "overlay", "docker swarm join-token --quiet worker", secret=True)
    yield SwarmWorker(address, at, query)
