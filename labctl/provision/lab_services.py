"""What playbooks run for the whole lab, and where: plain values that follow from lab.yaml.

Several playbooks, the checks and `labctl status` have to agree on them, so they are said once.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from labctl.config.model import LabSpec

ETCD_MEMBERS = 3
"""Most nodes that keep the store; more make it slower and no safer for a class."""
ETCD_PORT = 2379
ETCD_PEER_PORT = 2380
# No engine listens here: the address is a node's name among the engines, the port only has to be
# there. 2376 is the one that Docker's documentation has.
ADVERTISED_PORT = 2376
SERF_PORT = 7946
"""Where an engine with a store, and a swarm too, listens for the other engines."""
ENDED_BY_RESTART = """\
ended_by_restart() {
  for id in $(docker ps --quiet); do
    case $(docker inspect --format '{{.HostConfig.RestartPolicy.Name}}' "$id") in
      always|unless-stopped) ;;
      *) echo "$id";;
    esac
  done
}
"""
"""A function of sh: it prints the containers that run, and would not after the engine's restart."""
LAST_WITH_STORE = 22
"""The last major version of the engine that takes an external store for overlay networks."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A service of the lab: the node that runs it, and the port there."""

    node: str
    port: int

    @property
    def address(self) -> str:
        """HOST:PORT, as the nodes' engines know it."""
        return f"{self.node}:{self.port}"


def registry(lab: LabSpec) -> Endpoint:
    """Return where the private registry is."""
    return Endpoint(lab.registry.node or lab.node_names[0], lab.registry.port)


def hub_cache(lab: LabSpec) -> Endpoint | None:
    """Return where the cache of Docker Hub is; None where lab.yaml names one that exists."""
    if lab.hub_cache.url is not None:
        return None
    return Endpoint(lab.hub_cache.node or lab.node_names[0], lab.hub_cache.port)


def hub_cache_url(lab: LabSpec) -> str:
    """Return the mirror's URL by which the nodes use the cache."""
    place = hub_cache(lab)
    if place is None:
        return str(lab.hub_cache.url).rstrip("/")
    return f"https://{place.address}"


def overlay_mode(lab: LabSpec) -> Literal["etcd", "swarm"]:
    """Return by what networks reach across nodes."""
    if lab.overlay != "auto":
        return lab.overlay
    return "etcd" if lab.resolved_toolchain.engine_major <= LAST_WITH_STORE else "swarm"


def overlay_manager(lab: LabSpec) -> str:
    """Return the node where overlay networks are made: swarm's manager, or any node with etcd."""
    return lab.node_names[0]


def etcd_members(lab: LabSpec) -> dict[str, str]:
    """Return the nodes that keep the store, with their addresses."""
    nodes = [(n.name, n.address) for n in lab.lab_nodes if n.address is not None]
    return dict(nodes[:ETCD_MEMBERS])


def etcd_healthy(address: str, seconds: int = 10) -> str:
    """Return sh that succeeds where the store, asked at this member, has its majority.

    Parameters:
        address: the member's.
        seconds: how long it may take to answer; one that was just started without a majority
            never does.
    """
    url = f"http://{address}:{ETCD_PORT}/health"
    return f'curl --silent --max-time {seconds} {url} | grep -q \'"health": *"true"\''


def engine_settings(
    lab: LabSpec, playbooks: Collection[str], address: str | None
) -> dict[str, Any]:
    """Return the keys of daemon.json that playbooks add to those of lab.yaml.

    Parameters:
        lab: the lab.
        playbooks: names of those that run.
        address: the node's own.
    """
    if "overlay" not in playbooks or overlay_mode(lab) != "etcd":
        return {}
    members = ",".join(f"{one}:{ETCD_PORT}" for one in etcd_members(lab).values())
    return {
        "cluster-store": f"etcd://{members}",
        "cluster-advertise": f"{address}:{ADVERTISED_PORT}",
    }


def mirrors(lab: LabSpec, playbooks: Collection[str], node: str, chosen: list[str]) -> list[str]:
    """Return a node's mirrors in their order: the lab's cache before those that were chosen.

    The node that runs the cache does without it. A cache of registry 2 fetches what it has not got
    twice, once for the one who asks and once for itself, and that node's pulls need no cache.
    """
    place = hub_cache(lab)
    uses = "hub-cache" in playbooks and (place is None or place.node != node)
    cache = [hub_cache_url(lab)] if uses else []
    return [*cache, *(mirror for mirror in chosen if mirror.rstrip("/") not in cache)]
