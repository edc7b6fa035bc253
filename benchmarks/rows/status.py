"""The small commands: what runs, and one word to a node.

They are measured on two emulated virtual machines, where the ssh handshake alone takes most of a
second, whoever makes it; and once more with nspawn nodes in the place of those machines, which
answer as quickly as a virtual machine on a processor that can virtualize. Vagrant's part is the
same in both.
"""

from __future__ import annotations

import json
from collections.abc import Generator
from pathlib import Path

from benchmarks import lab as labs
from benchmarks import provisioning
from benchmarks.errors import BenchError
from benchmarks.harness import LABCTL, Bench, Case, Contender, Target
from benchmarks.lab import Host
from benchmarks.measuring import Command
from labctl.lab.lab import Lab as Opened
from labctl.lab.workspace import Workspace
from labctl.remote.target import Target as Reached
from tests.testbed import World

NAME = "status"
ABOUT = "status, exec -- true"
NODES = ("docker-node1", "docker-node2")
VAGRANT_STATUS, VAGRANT_SSH, SSH = "vagrant status", "vagrant ssh -c true", "ssh, its config known"


def cases(bench: Bench) -> Generator[Case]:
    world = World.current()
    folder = labs.scratch(world, NAME)
    spec = {**labs.spec(world), "provider": "libvirt", "boot_timeout": 900, "memory": 768}
    spec |= {"nodes": len(NODES), "playbooks": ["repos"]}
    (folder / "lab.yaml").write_text(json.dumps(spec), "utf-8")
    environment = {"LABCTL_HOME": str(folder / "home")}
    try:
        bench.say("  two virtual machines come up")
        Command([labs.labctl(), "up", "--no-verify"], folder, environment).measure()
        yield from _pair("vm", "emulated virtual machines", folder, environment)
        with provisioning.nodes(world, len(NODES)) as machines:
            provisioned, _ = provisioning.prepared(world, machines, f"{NAME}-nodes")
            provisioned.labctl("provision").measure()
            _repoint(folder, provisioned.hosts)
            yield from _pair("native", "machines of full speed", folder, environment)
    finally:
        Command(["vagrant", "destroy", "--force"], folder / ".labctl").measure()


def _pair(id_: str, where: str, folder: Path, environment: dict[str, str]) -> Generator[Case]:
    """Yield both cases."""
    first, vagrant = NODES[0], folder / ".labctl"
    ours = Command([labs.labctl(), "status"], folder, environment)
    ours_exec = Command(
        [labs.labctl(), "exec", "--limit", first, "--", "true"], folder, environment
    )
    if ours.output().count("running") != len(NODES):
        raise BenchError("labctl status does not see the machines run")
    yield Case(
        f"{NAME}/{id_}",
        f"status of 2 {where}",
        [
            Contender(LABCTL, ours.measure),
            Contender(VAGRANT_STATUS, Command(["vagrant", "status"], vagrant).measure),
        ],
        [Target(VAGRANT_STATUS, at_least=5)],
        nodes=len(NODES),
    )
    yield Case(
        f"exec/{id_}",
        f"exec -- true on one of the {where}",
        [
            Contender(LABCTL, ours_exec.measure),
            Contender(
                VAGRANT_SSH, Command(["vagrant", "ssh", first, "-c", "true"], vagrant).measure
            ),
            Contender(SSH, Command(["ssh", "-F", "ssh_config", first, "true"], vagrant).measure),
        ],
        [Target(VAGRANT_SSH, at_least=5)],
    )


def _repoint(folder: Path, hosts: tuple[Host, ...]) -> None:
    """Let Vagrant and labctl reach other machines under the names of the virtual ones."""
    lines = ['Vagrant.configure("2") do |config|']
    lab = Opened.open(Workspace.find(str(folder)), {}, emit=lambda event: None)
    for host in hosts:
        lines += [
            f'  config.vm.define "{host.name}" do |node|',
            f'    node.ssh.host = "{host.address}"',
            f"    node.ssh.port = {host.port}",
            f'    node.ssh.private_key_path = "{host.key}"',
            "    node.ssh.insert_key = false",
            "  end",
        ]
        lab.hostkeys.forget(host.name)
        record = lab.state.node(host.name)
        record.target = Reached(host.name, host.address, host.port, host.user, (str(host.key),))
        lab.state.save(host.name, record)
    with (folder / ".labctl/Vagrantfile").open("a") as file:
        file.write("\n".join((*lines, "end")) + "\n")
    (folder / ".labctl/ssh_config").write_text(labs.ssh_config(hosts), "utf-8")
