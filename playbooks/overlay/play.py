"""Networks across nodes: with etcd as in the course, or with Swarm for newer engines.

Either way, a container on one node reaches a container on another node by its name, over
`docker network create --driver overlay --attachable NAME`. With Swarm, networks are created on the
first node, which manages the swarm; if somebody has demoted it, another manager promotes it again.

An engine with an external store cannot be in a swarm, so each way undoes the other. The playbook
engine writes daemon.json: it leaves the swarm before it writes `cluster-store`, and it restarts
the engine without the store before this playbook creates a swarm. The playbook etcd runs the store.
"""

from collections.abc import Mapping
from typing import Any

from labctl.playbook import (
    AfterRehearsal,
    Command,
    LabSpec,
    PeerQuery,
    Play,
    Plays,
    RepairNotice,
    SecretStore,
    SwarmManager,
    SwarmWorker,
    msg,
    shell_script,
)

from ..etcd import store
from .settings import mode

NEEDS = ("hosts", "mirrors", "etcd")
CHECKED_TOGETHER = True

SERF_PORT = 7946
"""Port on which an engine with a store, or in a swarm, listens for the other engines."""
# Nothing listens at this port: the address only names the node among the engines, and must have a
# port. Docker's documentation uses 2376.
ADVERTISED_PORT = 2376


def play(play: Play) -> Plays:
    if play.node.address is None:
        raise ValueError(
            msg("{node} has no address in the lab; give it one in lab.yaml", node=play.node.name)
        )
    if mode(play.lab) == "etcd":
        yield _connected(play.node.name, store.members(play.lab))
    else:
        yield from _swarm(play, play.node.address)


def daemon_json(play: Play) -> dict[str, Any]:
    """Return where the engine finds the store."""
    if mode(play.lab) != "etcd":
        return {}
    addresses = store.members(play.lab).values()
    members = ",".join(f"{address}:{store.CLIENT_PORT}" for address in addresses)
    return {
        "cluster-store": f"etcd://{members}",
        "cluster-advertise": f"{play.node.address}:{ADVERTISED_PORT}",
    }


def expected(lab: LabSpec, _: SecretStore) -> dict[str, Any]:
    return {"mode": mode(lab), "manager": _manager(lab), "members": store.members(lab)}


def after_rehearsal(lab: LabSpec) -> AfterRehearsal | None:
    """Return the repair of engines whose pulls would fail now and then.

    When the last container leaves a network that is kept in etcd, a thread of the engine stays in
    the namespace of that network (moby#39372, up to 20.10, the last engines with a store). Some of
    the engine's own connections start there from then on. Only a restart helps.
    """
    if mode(lab) != "etcd":
        return None
    return AfterRehearsal(
        script=shell_script(__file__, "ended_by_restart.sh", "repair.sh"),
        notices=(
            RepairNotice("restarted", msg("restarted docker: an overlay network had damaged it")),
            RepairNotice(
                "busy",
                msg(
                    "some pulls may fail (moby#39372): run `sudo systemctl restart "
                    "docker` on the node once its containers may stop"
                ),
            ),
        ),
        hint=msg("if pulls fail on a node, run `sudo systemctl restart docker` on it (moby#39372)"),
    )


def _connected(node: str, members: Mapping[str, str]) -> Command:
    """The engine exchanges its containers with the other engines, over serf.

    It starts to do so when it finds its store: it looks for it at its start, and then three times a
    minute. But the playbook engine started it before there was a store, and the other engines
    would not learn of a container that joins a network meanwhile. After a restart the engine finds
    the store at once. If a restart would end a container, it is not restarted, and this waits.
    """
    return Command(
        msg("connect the engine to the other engines"),
        check="systemctl is-active --quiet docker &&"
        f" ss --listening --tcp --numeric | grep -q ':{SERF_PORT} '",
        apply=store.FUNCTIONS
        + shell_script(
            __file__,
            *("ended_by_restart.sh", "connect.sh"),
            own=members.get(node, ""),
            port=str(SERF_PORT),
        ),
        query=_majority(node, members),
    )


def _majority(node: str, members: Mapping[str, str]) -> PeerQuery | None:
    """Return the query after which the store has its majority; None if there is one member.

    Two members are a majority, of two and of three. So a member waits until the next member runs
    too, or, if that one failed, the one after it. A node without a member waits for a member that
    has done so.
    """
    names = list(members)
    if node in members:
        at = names.index(node)
        playbook, others = "etcd", [*names[at + 1 :], *names[:at]]
    else:
        playbook, others = "overlay", names
    query: PeerQuery | None = None
    for other in reversed(others):
        query = PeerQuery(other, playbook, store.healthy(members[other]), fallback=query)
    return query


def _manager(lab: LabSpec) -> str:
    """Return the node where networks are created: the swarm's manager, or any node with etcd."""
    return lab.node_names[0]


def _swarm(play: Play, address: str) -> Plays:
    manager = _manager(play.lab)
    if play.node.name == manager:
        # In overlay the others wait for this node, so it waits for the playbook before that.
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
    token = "docker swarm join-token --quiet worker"
    yield SwarmWorker(address, at, PeerQuery(manager, "overlay", token, secret=True))
