"""Networks across nodes work from this node."""

import time
from collections.abc import Callable
from typing import Any

import pytest
from testinfra.host import Host

from labctl.exercise import msg, on_failure

IMAGES = ("busybox",)
SECONDS = 120
"""Seconds until this node must see the others; all nodes are provisioned by now."""


def _eventually(look: Callable[[], tuple[bool, str]]) -> None:
    end = time.monotonic() + SECONDS
    good, seen = look()
    while not good and time.monotonic() < end:
        time.sleep(2)
        good, seen = look()
    assert good, seen


def _of_mode(wanted: dict[str, Any], mode: str) -> None:
    if wanted["overlay"]["mode"] != mode:
        pytest.skip(msg("this lab's networks use {mode}", mode=wanted["overlay"]["mode"]))


@on_failure("Docker does not use the lab's etcd for its networks")
def test_engine_has_its_store(host: Host, wanted: dict[str, Any]) -> None:
    """the engine keeps its networks in etcd and is registered with its private address"""
    _of_mode(wanted, "etcd")
    seen = host.check_output("docker info --format '{{.ClusterStore}} {{.ClusterAdvertise}}'")
    members = ",".join(f"{one}:2379" for one in wanted["overlay"]["members"].values())
    assert seen == f"etcd://{members} {wanted['address']}:2376", msg(
        "Docker uses {seen}", seen=seen.strip() or msg("none")
    )


@on_failure("not every node has joined the lab's overlay networks")
def test_engines_know_one_another(host: Host, wanted: dict[str, Any]) -> None:
    """every engine of the lab is registered in the store

    One that was started before its store does so late, and a container that joins a network before
    that is unknown to the other nodes.
    """
    _of_mode(wanted, "etcd")
    store = next(iter(wanted["overlay"]["members"].values()))

    def look() -> tuple[bool, str]:
        result = host.run(
            "curl --silent --show-error --max-time 5 %s",
            f"http://{store}:2379/v2/keys/docker/nodes",
        )
        missing = [n for n, one in wanted["nodes"].items() if f"/{one}:2376" not in result.stdout]
        return not missing, msg("missing: {missing}", missing=", ".join(missing))

    _eventually(look)


@on_failure("Docker does not listen for the other nodes", because="nothing listens on port 7946")
def test_engine_listens_for_its_neighbours(host: Host, wanted: dict[str, Any]) -> None:
    """the engine listens for the other engines, which report their containers' addresses"""
    _of_mode(wanted, "etcd")
    seen = host.check_output("ss --listening --tcp --numeric")
    assert ":7946 " in seen


@on_failure("the node is not in the lab's swarm")
def test_node_is_in_the_swarm(host: Host, wanted: dict[str, Any]) -> None:
    """the node is in the lab's swarm with its private address"""
    _of_mode(wanted, "swarm")
    seen = host.check_output("docker info --format '{{.Swarm.LocalNodeState}} {{.Swarm.NodeAddr}}'")
    assert seen == f"active {wanted['address']}", msg(
        "Docker reports {seen} instead of active {address}", seen=seen, address=wanted["address"]
    )


@on_failure("the swarm's manager does not see every node")
def test_manager_sees_every_node(host: Host, wanted: dict[str, Any]) -> None:
    """the manager sees every node of the lab as ready

    By their addresses, because a machine's own name may differ from its name in the lab. A
    manager's address is in ManagerStatus; its status may have 0.0.0.0 (moby#35437).
    """
    _of_mode(wanted, "swarm")
    if wanted["name"] != wanted["overlay"]["manager"]:
        pytest.skip(msg("the swarm is managed by {manager}", manager=wanted["overlay"]["manager"]))
    form = "{{.Status.State}} {{.Status.Addr}} {{with .ManagerStatus}}{{.Addr}}{{end}}"

    def look() -> tuple[bool, str]:
        result = host.run(f"docker node inspect --format '{form}' $(docker node ls --quiet)")
        lines = [line.split() for line in result.stdout.splitlines()]
        ready = {one.partition(":")[0] for state, *at in lines if state == "ready" for one in at}
        missing = sorted(name for name, one in wanted["nodes"].items() if one not in ready)
        return not missing, msg("not ready: {missing}", missing=", ".join(missing))

    _eventually(look)


@on_failure("an overlay network cannot be created")
def test_network_is_made(host: Host, wanted: dict[str, Any]) -> None:
    """an attachable overlay network can be created; with Swarm, a container gets an address

    With a store no container is run: when one leaves such a network, threads of the engine may stay
    in the network's name space, and its pulls fail now and then ("network is unreachable") until it
    is restarted (moby/libnetwork#1838, moby/moby#39372). A check must not do that to a class.
    """
    overlay = wanted["overlay"]
    if overlay["mode"] == "swarm" and wanted["name"] != overlay["manager"]:
        pytest.skip(msg("networks are created on {manager}", manager=overlay["manager"]))
    name = f"labctl-verify-{wanted['name']}"
    host.run("docker network rm %s", name)
    made = host.run("docker network create --driver overlay --attachable %s", name)
    assert made.rc == 0, made.stderr
    try:
        if overlay["mode"] == "swarm":
            seen = host.run("docker run --rm --network %s busybox ip -o -4 addr show eth0", name)
            assert "inet " in seen.stdout, seen.stderr
    finally:
        host.run("docker network rm %s", name)
