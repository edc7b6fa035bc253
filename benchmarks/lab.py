"""A lab of the testbed's nodes, and the command lines with which each contender works on it."""

from __future__ import annotations

import json
import shlex
import shutil
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks import installing
from benchmarks.measuring import Command
from benchmarks.work import Work
from tests.testbed import Node, World

PEERS = Path(__file__).with_name("peers")

# What the testbed's packages carry; see tests/testbed/README.md.
TOOLCHAIN = {
    "containerd": "1.6.20-3.1.el7",
    "docker": "20.10.24-3.el7",
    "docker_cli": "20.10.24-3.el7",
    "compose": "1.29.2",
}
OLDER = "20.10.23-3.el7"
"""A release of docker-ce that the repository has besides the wanted one."""


def labctl() -> str:
    """Return the path of the program as it is installed."""
    return str(Path(sys.executable).with_name("labctl"))


def scratch(world: World, name: str) -> Path:
    """Make a new folder in the world's own, on a real file system; it goes with the world."""
    return Path(tempfile.mkdtemp(prefix=f"bench-{name}-", dir=world.folder))


@dataclass(frozen=True)
class Host:
    """How a machine is reached."""

    name: str
    address: str
    port: int
    user: str
    key: Path

    @classmethod
    def of(cls, node: Node) -> Host:
        return cls(node.name, node.address, node.port, node.user, node.key)


@dataclass(frozen=True)
class Lab:
    """A folder with lab.yaml, and what the peers have in its place.

    Parameters:
        folder: holds it all.
        hosts: the machines.
        forks: how many machines a contender may work on at once.
    """

    folder: Path
    hosts: tuple[Host, ...]
    forks: int = 50

    @classmethod
    def make(
        cls,
        folder: Path,
        hosts: Sequence[Host],
        spec: dict[str, Any],
        *,
        forks: int = 50,
        python: str = "/usr/libexec/platform-python",
    ) -> Lab:
        """Write the files of a lab.

        Parameters:
            folder: an empty one.
            hosts: the machines.
            spec: lab.yaml without its machines.
            forks: how many machines are worked on at once.
            python: the machines' own, for Ansible; a real CentOS 7 has none that is new enough.
        """
        lab = cls(folder, tuple(hosts), forks)
        machines = [
            {
                "name": host.name,
                "host": host.address,
                "port": host.port,
                "user": host.user,
                "key": str(host.key),
            }
            for host in hosts
        ]
        whole = {**spec, "machines": machines, "parallel": min(forks, 64)}
        (folder / "lab.yaml").write_text(json.dumps(whole, indent=1), "utf-8")
        (folder / "ssh_config").write_text(ssh_config(hosts), "utf-8")
        (folder / "nodes.json").write_text(json.dumps(_pyinfra_nodes(hosts)), "utf-8")
        (folder / "inventory.ini").write_text(_ansible_inventory(hosts), "utf-8")
        (folder / "ansible.cfg").write_text(_ansible_config(folder, forks, python), "utf-8")
        return lab

    @property
    def sockets(self) -> Path:
        """Where Ansible's ssh keeps connections open."""
        return _sockets(self.folder)

    def forget(self) -> None:
        """Delete labctl's records of the machines, as if they were new."""
        shutil.rmtree(self.folder / ".labctl", ignore_errors=True)

    # -- what provisions

    def give(self, work: Work, digests: dict[str, str]) -> None:
        """Write the work for the peers.

        Parameters:
            work: what a node should be.
            digests: sha256 of what stands behind the signing keys' sources.
        """
        for key in work.keys:
            key["sha256"] = digests[key["source"]]
        nevrs = [f"{package['name']}-{package['version']}".rstrip("-") for package in work.packages]
        whole = {**vars(work), "nevrs": nevrs}
        (self.folder / "work.json").write_text(json.dumps(whole, indent=1), "utf-8")
        (self.folder / "provision.sh").write_text(_script(work, nevrs), "utf-8")
        asking = _script(work, nevrs, asking=True)
        (self.folder / "provision-asking.sh").write_text(asking, "utf-8")

    def labctl(self, *arguments: str) -> Command:
        return Command([labctl(), *arguments], self.folder, self.environment)

    def ansible(self, playbook: Path = PEERS / "ansible/site.yml") -> Command:
        argv = [
            installing.program("ansible-playbook"),
            *("--inventory", str(self.folder / "inventory.ini")),
            *("--extra-vars", f"@{self.folder / 'work.json'}"),
            str(playbook),
        ]
        environment = {
            "ANSIBLE_CONFIG": str(self.folder / "ansible.cfg"),
            "ANSIBLE_NOCOLOR": "1",
            "LC_ALL": "C.UTF-8",
        }
        return Command(argv, self.folder, environment)

    def pyinfra(self, deploy: Path = PEERS / "pyinfra/deploy.py") -> Command:
        argv = [
            installing.program("pyinfra"),
            *("-y", "--parallel", str(self.forks)),
            str(PEERS / "pyinfra/inventory.py"),
            str(deploy),
        ]
        environment = {
            "BENCH_WORK": str(self.folder / "work.json"),
            "BENCH_NODES": str(self.folder / "nodes.json"),
        }
        return Command(argv, self.folder, environment)

    def script(self, *, asking: bool = False) -> Command:
        argv = [
            str(PEERS / "script/everywhere.sh"),
            str(self.folder / "ssh_config"),
            str(self.folder / ("provision-asking.sh" if asking else "provision.sh")),
            *(host.name for host in self.hosts),
        ]
        return Command(argv, self.folder)

    @property
    def environment(self) -> dict[str, str]:
        """The environment of labctl: an index of labs of its own."""
        return {"LABCTL_HOME": str(self.folder / "home")}


def spec(world: World) -> dict[str, Any]:
    """Return a lab.yaml for the testbed, without its nodes.

    The mirror is named rather than looked for: the peers do not look for one either.
    """
    return {
        "toolchain": TOOLCHAIN,
        "docker": {"mirrors": ["https://docker.1ms.run"]},
        "sources": world.sources,
    }


def digests(work: Work, node: Node) -> dict[str, str]:
    """Return the sha256 of what stands behind the sources of the signing keys, as nodes see it."""
    sources = sorted({key["source"] for key in work.keys})
    script = "".join(
        f"curl --fail --silent --location {shlex.quote(source)} | sha256sum\n" for source in sources
    )
    seen = [line.split()[0] for line in node.sh(script).stdout.splitlines()]
    return dict(zip(sources, seen, strict=True))


def ssh_config(hosts: Sequence[Host]) -> str:
    """Return how OpenSSH reaches the machines."""
    return "".join(
        f"Host {host.name}\n  HostName {host.address}\n  Port {host.port}\n  User {host.user}\n"
        f"  IdentityFile {host.key}\n  IdentitiesOnly yes\n  StrictHostKeyChecking no\n"
        "  UserKnownHostsFile /dev/null\n  LogLevel ERROR\n"
        for host in hosts
    )


def _pyinfra_nodes(hosts: Sequence[Host]) -> list[tuple[str, dict[str, Any]]]:
    return [
        (
            host.name,
            {
                "ssh_hostname": host.address,
                "ssh_port": host.port,
                "ssh_user": host.user,
                "ssh_key": str(host.key),
                "ssh_known_hosts_file": "/dev/null",
                "ssh_strict_host_key_checking": "no",
            },
        )
        for host in hosts
    ]


def _ansible_inventory(hosts: Sequence[Host]) -> str:
    return "".join(
        f"{host.name} ansible_host={host.address} ansible_port={host.port}"
        f" ansible_user={host.user} ansible_ssh_private_key_file={host.key}\n"
        for host in hosts
    )


def _ansible_config(folder: Path, forks: int, python: str) -> str:
    """Return the settings that make Ansible quick, as its own documentation has them."""
    return (
        "[defaults]\n"
        f"forks = {forks}\nhost_key_checking = False\n"
        f"interpreter_python = {python}\n"
        f"local_tmp = {folder / 'ansible-tmp'}\nretry_files_enabled = False\n"
        "[ssh_connection]\n"
        "pipelining = True\n"
        f"control_path_dir = {_sockets(folder)}\n"
        "ssh_args = -F /dev/null -o ControlMaster=auto -o ControlPersist=60s"
        " -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR"
        " -o PreferredAuthentications=publickey\n"
    )


def _sockets(folder: Path) -> Path:
    """Return a folder for sockets, whose paths have to be short."""
    return Path("/tmp") / f"cp-{folder.name[-8:]}"


def _script(work: Work, nevrs: Sequence[str], *, asking: bool = False) -> str:
    """Return the hand-written functions with a call of one of them for each thing.

    Parameters:
        work: what a node should be.
        nevrs: the packages, as yum names them.
        asking: ask a new node what labctl asks it, too.
    """
    calls: list[list[str]] = [
        ["key", key["path"], key["source"], key["fingerprint"]] for key in work.keys
    ]
    calls += [_put(file) for file in work.files]
    calls += [
        ["block", block["path"], block["begin"], block["end"], "\n".join(block["lines"])]
        for block in work.blocks
    ]
    if asking:
        calls += [["well", question["key"], question["script"]] for question in work.questions]
    if nevrs:
        calls.append(["packages", *nevrs])
    calls += [["service", service] for service in work.services]
    calls += [["member", member["user"], member["group"]] for member in work.members]
    text = "".join(shlex.join(call) + "\n" for call in calls)
    if work.engine:
        text += shlex.join(_put(work.engine)) + '\n[ -z "$put" ] || systemctl reload docker\n'
    rest = [
        ["download", download["path"], download["url"], download["sha256"], download["mode"]]
        for download in work.downloads
    ]
    rest += [["link", link["path"], link["target"]] for link in work.links]
    text += "".join(shlex.join(call) + "\n" for call in rest)
    return (PEERS / "script/provision.sh").read_text("utf-8") + text


def _put(file: dict[str, str]) -> list[str]:
    return ["put", file["path"], file["mode"], file["content"].rstrip("\n")]
