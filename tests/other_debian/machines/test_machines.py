"""A node of each kind, in a world of the other Debian's."""

from __future__ import annotations

import subprocess

from tests.e2e.conftest import Lab, machines, spec
from tests.testbed import World


def test_a_container_node_is_provisioned_and_verified(world: World, lab: Lab) -> None:
    with world.nspawn("n1") as node:
        lab.write(spec(world, machines=machines([node])))
        run = lab.run("up").expect()
        assert {check["outcome"] for check in run.result("n1")["checks"]} == {"passed"}
        assert node.sh("docker-compose version --short").stdout.strip() == "1.29.2"


def test_a_virtual_machine_boots(world: World, lab: Lab) -> None:
    lab.write(spec(world, provider="libvirt", memory=768, boot_timeout=900))
    lab.run("render", "--nodes", "1", "--output", "Vagrantfile").expect()

    def vagrant(*arguments: str) -> str:
        done = subprocess.run(
            ["vagrant", *arguments], cwd=lab.folder, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout
        return done.stdout

    try:
        vagrant("up", "--provider", "libvirt", "--no-provision")
        assert "CentOS Linux release 7" in vagrant("ssh", "-c", "cat /etc/centos-release")
    finally:
        vagrant("destroy", "--force")
