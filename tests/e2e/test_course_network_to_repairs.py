"""The course's second half rehearsed on two nodes: networks, volumes, compose, repairs.

The nodes are provisioned while Docker Hub's names are lost and every old mirror is dead. The tests
of this file build on one another, in their order.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from typing import Any

import pytest

from tests.e2e.conftest import Lab, Run, machines, spec
from tests.testbed import Node, World

NAMES = ("docker-node1", "docker-node2")
FIRST, SECOND = NAMES
ENGINE_INSTALLED = True
SECTIONS = ("network", "volumes", "compose", "repairs")
STATE = r"""
docker ps --all --no-trunc --format 'container {{.ID}} {{.Names}} {{.State}}' | sort
docker images --all --no-trunc --format 'image {{.Repository}}:{{.Tag}} {{.ID}}' | sort
docker network ls --no-trunc --filter type=builtin --format 'network {{.Name}}' | sort
docker network ls --no-trunc --filter type=custom --format 'network {{.ID}} {{.Name}}' | sort
docker volume ls --format 'volume {{.Name}}' | sort
ip netns list
ls /var/tmp
"""
"""A node's objects; its own networks by name, because a restarted engine recreates them."""
STUDENTS = """
set -e
docker pull busybox
docker network create rehearse-mine
docker volume create rehearse-data
docker tag busybox student/rehearse:1
docker run --detach --restart unless-stopped --stop-timeout 1 --name rehearse-web \
  --network rehearse-mine \
  -v rehearse-data:/data student/rehearse:1 sh -c 'echo kept >/data/file; exec sleep 1d'
docker run --name ended busybox true
"""
"""Objects of somebody else on a node, with names like those of an exercise. What runs
comes back by itself: an engine that overlay networks by etcd put out of step can be restarted."""


@pytest.fixture(scope="module")
def whole(world: World, nodes: dict[str, Node]) -> dict[str, Any]:
    """A lab.yaml with networks across nodes as in the course, and with two of the old mirrors."""
    mirrors = ["registry.docker-cn.com", "hub-mirror.c.163.com", "docker.1ms.run"]
    return spec(
        world,
        machines=machines(list(nodes.values())),
        playbooks=["repos", "hosts", "engine", "mirrors", "compose", "overlay"],
        overlay="etcd",
        sources={**world.sources, "mirrors": [f"https://{name}" for name in mirrors]},
    )


@pytest.fixture(scope="module")
def lab(
    world: World, whole: dict[str, Any], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Lab]:
    world.dns.refuse("registry-1.docker.io")
    world.dns.poison("auth.docker.io", "192.0.2.1")
    folder = tmp_path_factory.mktemp("course") / "lab"
    folder.mkdir()
    lab = Lab(folder)
    lab.write(whole)
    lab.run("provision").expect(0)
    yield lab
    world.dns.restore()


def rehearse(lab: Lab, *arguments: str) -> Run:
    return lab.run("rehearse", *arguments)


def green(run: Run, sections: Sequence[str]) -> None:
    """Hold that every exercise of these sections passed on both nodes."""
    for name in NAMES:
        assert failures(run, name) == {}
        exercises = run.result(name)["checks"]
        assert {e["section"] for e in exercises} == set(sections)
        assert {e["outcome"] for e in exercises} == {"passed"}
    run.expect(0)


def unchanged(nodes: dict[str, Node], before: dict[str, list[str]]) -> None:
    """Hold that the nodes have what they had, once an engine that was restarted is done."""
    for name, node in nodes.items():
        deadline = time.monotonic() + 30
        while (now := state(node)) != before[name] and time.monotonic() < deadline:
            time.sleep(1)
        assert now == before[name]


def state(node: Node) -> list[str]:
    return sorted(node.sh(STATE).stdout.splitlines())


def failures(run: Run, node: str) -> dict[tuple[str, str], str]:
    """The exercises that are not as they should be, with the words of pytest."""
    return {
        (exercise["section"], exercise["name"]): exercise["details"]
        for exercise in run.result(node)["checks"]
        if exercise["outcome"] in ("failed", "error")
    }


@pytest.fixture(scope="module")
def before(lab: Lab, nodes: dict[str, Node]) -> dict[str, list[str]]:
    """What students have on each node before anything is rehearsed."""
    for node in nodes.values():
        node.sh(STUDENTS)
    return {name: state(node) for name, node in nodes.items()}


def test_all_is_green_and_leaves_no_trace(
    lab: Lab, nodes: dict[str, Node], before: dict[str, list[str]]
) -> None:
    green(rehearse(lab, *SECTIONS), SECTIONS)
    unchanged(nodes, before)


def test_only_the_network_and_only_compose_turn_red(
    lab: Lab, nodes: dict[str, Node], before: dict[str, list[str]]
) -> None:
    """A firewall on one node, a docker-compose that cannot be run on the other.

    It is the second rehearsal of all sections: what the first one left would turn others red.
    """
    rule = f"DOCKER-USER --source {nodes[SECOND].address} --protocol tcp --jump DROP"
    nodes[FIRST].sh(f"iptables --insert {rule}")
    nodes[SECOND].sh("chmod -x /usr/local/bin/docker-compose")
    try:
        run = rehearse(lab, *SECTIONS).expect(1)
    finally:
        nodes[FIRST].sh(f"iptables --delete {rule}")
        repaired = lab.run("provision", "--only", "compose")
    failed = failures(run, FIRST)
    assert set(failed) == {("network", "test_published_port_from_another_node")}, failed
    (message,) = failed.values()
    assert f"answers on the node itself, but not to {SECOND}" in message
    assert f"{FIRST}: -A DOCKER-USER -s {nodes[SECOND].address}/32 -p tcp -j DROP" in message
    failed = failures(run, SECOND)
    assert {section for section, _ in failed} == {"compose"}, failed
    for message in failed.values():
        assert "docker-compose" in message
        assert "Permission denied" in message
    assert repaired.expect(0).changes(SECOND) == ["download:/usr/local/bin/docker-compose"]
    unchanged(nodes, before)
    for node in nodes.values():
        assert node.sh("docker exec rehearse-web cat /data/file").stdout == "kept\n"


def test_only_the_volumes_and_only_the_repairs_turn_red(lab: Lab, nodes: dict[str, Node]) -> None:
    """A disk without room for volumes on one node, lost pins on the other."""
    nodes[FIRST].sh("mount -t tmpfs -o size=8m tmpfs /var/lib/docker/volumes")
    nodes[SECOND].sh("sed -i '/docker[.]io$/d' /etc/hosts")
    try:
        run = rehearse(lab, "compose", "volumes", "repairs").expect(1)
    finally:
        nodes[FIRST].sh("umount /var/lib/docker/volumes")
        repaired = lab.run("provision", "--only", "hosts")
    failed = failures(run, FIRST)
    assert set(failed) == {("volumes", "test_room")}, failed
    assert "No space left on device" in failed["volumes", "test_room"]
    failed = failures(run, SECOND)
    assert {section for section, _ in failed} == {"repairs"}, failed
    message = failed["repairs", "test_docker_hub_answers"]
    assert "its pin to" in message
    assert "is not in /etc/hosts" in message
    (told,) = [
        check
        for check in run.of("CheckEnded", SECOND)
        if check["name"] == "test_docker_hub_answers"
    ]
    assert told["fix"] == "labctl provision --refresh"
    assert repaired.expect(0).changes(SECOND) == ["block:/etc/hosts:pins"]


def test_a_dead_mirror_is_named(lab: Lab, nodes: dict[str, Node]) -> None:
    node = nodes[FIRST]
    node.sh(
        "cp /etc/docker/daemon.json /root/kept;"
        "sed -i s/docker.1ms.run/registry.docker-cn.com/ /etc/docker/daemon.json;"
        "systemctl reload docker"
    )
    run = rehearse(lab, "repairs", "--node", FIRST).expect(1)
    failed = failures(run, FIRST)
    assert set(failed) == {("repairs", "test_mirrors_answer")}, failed
    (message,) = failed.values()
    assert "https://registry.docker-cn.com/ of the mirrors" in message
    node.sh("cp /root/kept /etc/docker/daemon.json; systemctl reload docker")
    rehearse(lab, "repairs", "--node", FIRST).expect(0)


def test_overlay_by_swarm_and_a_firewall_in_its_way(
    lab: Lab, nodes: dict[str, Node], whole: dict[str, Any]
) -> None:
    lab.write({**whole, "overlay": "swarm"})
    lab.run("provision").expect(0)
    for node in nodes.values():  # a swarm makes these by itself, a while after it was joined
        node.sh(
            "for i in $(seq 60); do docker network inspect ingress docker_gwbridge && exit;"
            " sleep 1; done; exit 1"
        )
    before = {name: state(node) for name, node in nodes.items()}
    green(rehearse(lab, "network"), ["network"])
    unchanged(nodes, before)
    rule = "INPUT --protocol udp --dport 4789 --jump DROP"
    nodes[FIRST].sh(f"iptables --insert {rule}")
    try:
        run = rehearse(lab, "network").expect(1)
    finally:
        nodes[FIRST].sh(f"iptables --delete {rule}")
    for name in NAMES:
        failed = failures(run, name)  # the other exercises stay green
        assert set(failed) == {("network", "test_overlay_by_name")}, failed
        (message,) = failed.values()
        assert "overlay networks need UDP ports 4789" in message
        assert f"{FIRST}: -A INPUT -p udp -m udp --dport 4789 -j DROP" in message
    unchanged(nodes, before)
