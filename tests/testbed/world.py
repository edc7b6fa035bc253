"""The world as the tests see it, from inside: nodes, resolvers, services, the access log."""

from __future__ import annotations

import concurrent.futures
import fcntl
import functools
import json
import os
import socket
import subprocess
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.testbed import access_log, dns, nspawn, state
from tests.testbed import engine as engine_layer
from tests.testbed.errors import TestbedError
from tests.testbed.nspawn import Node
from tests.testbed.shell import run


@dataclass(frozen=True)
class Resolver:
    """The nodes' own resolver. The public ones go on telling the truth."""

    world: World

    def refuse(self, host: str) -> None:
        """Have it answer that there is no `host`."""
        self._faults().refuse(host)
        self._tell()

    def poison(self, host: str, address: str) -> None:
        """Have it give a wrong address for `host`."""
        self._faults().poison(host, address)
        self._tell()

    def restore(self) -> None:
        """Have it tell the truth again."""
        self._faults().reset()
        self._tell()

    def _faults(self) -> dns.Faults:
        return dns.Faults(self.world.folder)

    def _tell(self) -> None:
        self.world.request("reload", "dns")
        self._faults().wait_until_told()


class World:
    """The world that this process runs in."""

    def __init__(self, folder: Path) -> None:
        """Use `current`."""
        self.folder = folder
        self.state = state.read(folder / "state.json")
        self.dns = Resolver(self)

    @classmethod
    def current(cls) -> World:
        """The world around this process; an error outside of one."""
        file = os.environ.get(state.VARIABLE)
        if not file:
            raise TestbedError(
                "this runs inside a world only: python -m tests.testbed run -- COMMAND"
            )
        world = cls(Path(file).parent)
        if world.state.network != state.network_identity():
            raise TestbedError(f"{state.VARIABLE} is set, but this process is outside that world")
        return world

    @property
    def service_address(self) -> str:
        """Where the stand-ins are: web, registry, the nodes' resolver, their gateway."""
        return self.state.service_address

    @property
    def sources(self) -> dict[str, dict[str, object]]:
        """`sources` for a lab.yaml, as `lab-yaml` prints them."""
        return self.state.sources

    @property
    def authority(self) -> Path:
        """The authority of the stand-ins' certificates, which the nodes trust."""
        return self.state.keys / "ca.crt"

    def nspawn(self, name: str, *, engine: bool = False) -> Node:
        """Boot a fresh container node; it takes ssh when this returns.

        With `engine`, the packages of the engine are on it; see `engine.py`.
        """
        node = self._create(name, [engine_layer.layer()] if engine else [])
        try:
            node.start()
        except BaseException:
            node.power_off(cleanly=False)
            raise
        return node

    def nspawn_many(self, names: Iterable[str], *, engine: bool = False) -> list[Node]:
        """Boot several side by side."""
        wanted = list(names)
        boot = functools.partial(self.nspawn, engine=engine)
        with concurrent.futures.ThreadPoolExecutor(max_workers=len(wanted) or 1) as pool:
            return list(pool.map(boot, wanted))

    def nodes(self) -> list[Node]:
        """All container nodes, whoever created them."""
        folders = sorted(self._nodes.iterdir()) if self._nodes.is_dir() else []
        return [nspawn.load(folder) for folder in folders if (folder / "node.json").exists()]

    def node(self, name: str) -> Node:
        """A container node that exists already."""
        return nspawn.load(self._nodes / name)

    def clear(self) -> None:
        """Remove every machine, as those of a run before this one."""
        for node in self.nodes():
            node.remove()
        virsh = ("virsh", "--connect", "qemu:///system")
        for name in run(*virsh, "list", "--all", "--name").split():
            subprocess.run([*virsh, "destroy", name], check=False, capture_output=True)
            run(*virsh, "undefine", name, "--managed-save", "--snapshots-metadata",
                "--remove-all-storage")  # fmt: skip

    def access_log(self) -> list[access_log.Request]:
        """All requests to the stand-in hosts since the log was cleared."""
        return access_log.read(self.folder / "access.jsonl")

    def clear_access_log(self) -> None:
        """Forget the requests so far."""
        (self.folder / "access.jsonl").write_text("")

    def stop_service(self, name: str) -> None:
        """Stop a service: web, registry, dns, public-dns or libvirt."""
        self.request("stop", name)

    def start_service(self, name: str) -> None:
        """Start it again; returns when it answers."""
        self.request("start", name)

    def request(self, do: str, service: str) -> None:
        """Ask the world's first process for something."""
        with socket.socket(socket.AF_UNIX) as sock:
            sock.connect(str(self.folder / "control"))
            with sock.makefile("rw") as stream:
                stream.write(json.dumps({"do": do, "service": service}) + "\n")
                stream.flush()
                answer = json.loads(stream.readline())
        if answer["error"]:
            raise TestbedError(answer["error"])

    @property
    def _nodes(self) -> Path:
        return self.folder / "nodes"

    def _create(self, name: str, layers: Sequence[Path]) -> Node:
        self._nodes.mkdir(exist_ok=True)
        with (self.folder / "nodes.lock").open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if (self._nodes / name).exists():
                raise TestbedError(f"there is a node {name} already")
            network = self.service_address.rpartition(".")[0]
            taken = {node.address for node in self.nodes()}
            address = next(
                candidate
                for candidate in (f"{network}.{number}" for number in range(11, 250))
                if candidate not in taken
            )
            return nspawn.create(
                name,
                address,
                self.state.name,
                [*layers, self.state.guest],
                self.state.keys / "login",
                self._nodes,
            )
