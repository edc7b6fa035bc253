"""Machines that exist already: provisioned, drifted, mended, verified, and copied to.

Three nspawn nodes of the testbed, reached over ssh like classroom PCs.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.conftest import Lab, machines, spec
from tests.testbed import Node, World

NAMES = ("docker-node1", "docker-node2", "docker-node3")


@pytest.fixture(scope="module")
def nodes(world: World) -> Iterator[list[Node]]:
    nodes = world.nspawn_many(list(NAMES))
    yield nodes
    for node in nodes:
        node.remove()


@pytest.fixture(scope="module")
def lab(world: World, nodes: list[Node], tmp_path_factory: pytest.TempPathFactory) -> Lab:
    """A lab of the three nodes, whose third node's repository fails at the first run."""
    folder = tmp_path_factory.mktemp("existing") / "lab"
    folder.mkdir()
    lab = Lab(folder)
    lab.write(spec(world, machines=machines(nodes)))
    return lab


def test_yum_fails_on_a_fresh_box(nodes: list[Node]) -> None:
    """What the playbook `repos` is for: the stock repositories do not resolve."""
    result = nodes[0].sh("yum -y install lvm2", check=False)
    assert result.returncode != 0
    assert "Could not resolve host" in result.stdout + result.stderr


def test_check_changes_nothing(lab: Lab, nodes: list[Node]) -> None:
    before = nodes[0].sh("cat /etc/yum.repos.d/*.repo | sha256sum; rpm -qa | sort | sha256sum").stdout
    run = lab.run("provision", "--check", "--limit", NAMES[0]).expect(3)
    assert "key:labctl-centos-7" in run.changes(NAMES[0])
    assert not run.result(NAMES[0])["complete"]
    after = nodes[0].sh("cat /etc/yum.repos.d/*.repo | sha256sum; rpm -qa | sort | sha256sum").stdout
    assert before == after


def test_one_failing_node_stops_alone(lab: Lab, nodes: list[Node]) -> None:
    """The third node fails half way; the others finish, and summary and exit code say so."""
    bad = nodes[2]
    bad.sh("mkdir -p /etc/docker && mkfs=/usr/sbin/mkfs; chattr +i /etc/hosts 2>/dev/null || mount --bind -o ro /etc/hosts /etc/hosts; mount -o remount,bind,ro /etc/hosts 2>/dev/null || :")
    run = lab.run("up").expect(1)
    for name in NAMES[:2]:
        assert run.result(name)["ok"], run.result(name)
    failed = run.result(NAMES[2])
    assert not failed["ok"]
    assert failed["error"]["resource"] == "block:/etc/hosts:nodes"
