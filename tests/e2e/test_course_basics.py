"""The course's first sections rehearsed: engine, images, containers, dockerfile.

Two nspawn nodes with an engine and a private registry, on which students have something of their
own; one has the course's images already, as in a room without the Internet. The tests of this file
build on one another, in their order: the first leaves something behind, which the second has to
sweep.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import time
import tomllib
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.e2e.conftest import Lab, Run, machines, spec
from tests.testbed import Node, World

NAMES = ("docker-node1", "docker-node2")
FIRST, SECOND = NAMES
ENGINE_INSTALLED = True
PLAYBOOKS = ["repos", "hosts", "engine", "mirrors", "registry"]
SECTIONS = ("engine", "images", "containers", "dockerfile")
IMAGES = tomllib.loads((Path(__file__).parents[2] / "course/images.toml").read_text("utf-8"))

STUDENTS = r"""
docker run -d --name rehearse-web --label labctl.rehearsal=mine --restart always --stop-timeout 1 \
  busybox sleep 9999
docker network create rehearse-team
docker volume create rehearse-data
docker tag busybox students/rehearse-image
echo 'FROM busybox
RUN echo hers >/file' | docker build -
"""
EVERYTHING = """\
docker ps -a --no-trunc --format '{{.ID}} {{.Names}} {{.State}}' | sort
docker images -a --no-trunc --format '{{.ID}} {{.Repository}}:{{.Tag}}' | sort
docker network ls --format '{{.Name}}' | sort
docker volume ls --format '{{.Name}}' | sort
ls -A /var/tmp/rehearse 2>/dev/null; true
"""


@dataclass(frozen=True)
class Fault:
    """A fault on a node, the section that must fail because of it, and its message."""

    section: str
    says: str
    inject: str
    repair: str


FAULTS = {
    "containerd's socket is gone": Fault(
        "engine",
        "containerd does not answer on its socket",
        "mv /run/containerd/containerd.sock /run/containerd/away",
        "mv /run/containerd/away /run/containerd/containerd.sock",
    ),
    "the mirror and Docker Hub are down": Fault(
        "images",
        "connection refused",
        "cp /etc/hosts /etc/hosts.whole\n"
        "echo '127.0.0.1 docker.1ms.run dead.lab registry-1.docker.io' >>/etc/hosts",
        "cat /etc/hosts.whole >/etc/hosts",
    ),
    "the kernel counts no memory": Fault(
        "containers",
        "the memory cgroup does not limit it",
        "umount /sys/fs/cgroup/memory && systemctl restart docker",
        "mount -t cgroup -o memory cgroup /sys/fs/cgroup/memory && systemctl restart docker",
    ),
    "the disk with the volumes is full": Fault(
        "dockerfile",
        "no space left on device",
        "mount -t tmpfs -o size=4k,nr_inodes=1 full /var/lib/docker/volumes",
        "umount /var/lib/docker/volumes",
    ),
}


@pytest.fixture(scope="module")
def lab(world: World, nodes: dict[str, Node], tmp_path_factory: pytest.TempPathFactory) -> Lab:
    """A lab that is up, and used by students."""
    folder = tmp_path_factory.mktemp("course") / "lab"
    folder.mkdir()
    lab = Lab(folder)
    lab.write(spec(world, machines=machines(list(nodes.values())), playbooks=PLAYBOOKS))
    lab.run("up").expect(0)
    for node in nodes.values():
        node.sh(STUDENTS)
    for image in IMAGES.values():
        nodes[SECOND].sh(f"docker pull {image}")
    return lab


@pytest.fixture(scope="module")
def before(lab: Lab, nodes: dict[str, Node]) -> dict[str, set[str]]:
    """All that is on each node before anything is rehearsed."""
    return everything(nodes)


def everything(nodes: dict[str, Node]) -> dict[str, set[str]]:
    return {name: set(node.sh(EVERYTHING).stdout.splitlines()) for name, node in nodes.items()}


def assert_unchanged(nodes: dict[str, Node], before: dict[str, set[str]]) -> None:
    now = everything(nodes)
    assert {name: now[name] ^ before[name] for name in NAMES} == {name: set() for name in NAMES}


def red(run: Run, node: str) -> dict[str, str]:
    """The sections of a node in which something failed, with what those exercises said."""
    said: dict[str, str] = {}
    for exercise in run.of("CheckEnded", node):
        if exercise["outcome"] in ("failed", "error"):
            message = f"{exercise['name']}: {exercise['message']}\n"
            said[exercise["section"]] = said.get(exercise["section"], "") + message
    return said


def kill_family(pid: int) -> None:
    """Kill a process and all that it started, at once."""
    parents: dict[int, int] = {}
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            parents[int(entry.name)] = int(
                (entry / "stat").read_text().rpartition(")")[2].split()[1]
            )
    family = [pid]
    for member in family:  # grows while it is read
        family += [child for child, parent in parents.items() if parent == member]
    for member in family:
        with contextlib.suppress(ProcessLookupError):
            os.kill(member, signal.SIGKILL)


def test_a_killed_rehearsal_leaves_something(
    lab: Lab, nodes: dict[str, Node], before: dict[str, set[str]]
) -> None:
    process = lab.start("rehearse", "containers", "--node", FIRST)
    deadline = time.monotonic() + 120
    marked = "docker ps -q --filter label=labctl.rehearsal --filter name=rehearse-........-"
    while not nodes[FIRST].sh(marked).stdout:
        assert time.monotonic() < deadline
        assert process.poll() is None, process.communicate()
        time.sleep(0.1)
    kill_family(process.pid)
    process.communicate()
    assert everything(nodes)[FIRST] != before[FIRST]


def test_every_exercise_works_and_leaves_nothing(
    lab: Lab, nodes: dict[str, Node], before: dict[str, set[str]]
) -> None:
    run = lab.run("rehearse", *SECTIONS)
    assert {name: red(run, name) for name in NAMES} == {name: {} for name in NAMES}
    run.expect(0)
    for name in NAMES:
        ended = run.of("CheckEnded", name)
        assert [e["section"] for e in ended] == sorted(
            (e["section"] for e in ended), key=SECTIONS.index
        )
        assert {e["section"] for e in ended} == set(SECTIONS)
        assert {e["outcome"] for e in ended} == {"passed"}
    assert_unchanged(nodes, before)


def test_a_fault_turns_its_section_red_and_no_other(
    lab: Lab, nodes: dict[str, Node], before: dict[str, set[str]]
) -> None:
    """Two faults on each node. Everything else works on the other node, for the second time now."""
    faults = {
        FIRST: ("the kernel counts no memory", "containerd's socket is gone"),
        SECOND: ("the mirror and Docker Hub are down", "the disk with the volumes is full"),
    }
    for name, titles in faults.items():
        for title in titles:
            nodes[name].sh(FAULTS[title].inject)
    try:
        run = lab.run("rehearse", *SECTIONS).expect(1)
    finally:
        for name, titles in faults.items():
            for title in reversed(titles):
                nodes[name].sh(FAULTS[title].repair)
    for name, titles in faults.items():
        said = red(run, name)
        assert set(said) == {FAULTS[title].section for title in titles}, json.dumps(said, indent=2)
        for title in titles:
            assert FAULTS[title].says in said[FAULTS[title].section]
    assert_unchanged(nodes, before)


def test_the_registry_is_down(
    lab: Lab, nodes: dict[str, Node], before: dict[str, set[str]]
) -> None:
    nodes[FIRST].sh("docker stop labctl-registry")
    try:
        run = lab.run("rehearse", "images", "--node", SECOND).expect(1)
    finally:
        nodes[FIRST].sh("docker start labctl-registry")
    (said,) = red(run, SECOND).values()
    assert said.startswith("test_private_registry: ")
    assert "docker-node1:5000" in said
    assert "connection refused" in said
    assert_unchanged(nodes, before)
