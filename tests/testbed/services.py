"""The programs of a world, as data: what to start, and how to see that it answers."""

from __future__ import annotations

import socket
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.testbed import dns, images, libvirt, web
from tests.testbed.names import HUB, PUBLIC_RESOLVERS, SERVICE_ADDRESS


@dataclass(frozen=True)
class Service:
    """A program that runs in the foreground; `ready` returns True if it answers."""

    name: str
    command: list[str]
    ready: Callable[[], bool]


def all_services(world: Path, keys: Path, sites: Path, registry: Path) -> list[Service]:
    """The services of a world whose folder is `world`."""
    config = world / "registry.yml"
    host, port = web.REGISTRY
    config.write_text(images.registry_config(registry, f"{host}:{port}"))
    faults = dns.Faults(world)
    faults.reset()
    truth = world / "hosts-truth"
    truth.write_text(faults.hosts.read_text())
    return [
        Service(
            "dns", dns.command(faults.hosts, [SERVICE_ADDRESS]), lambda: _resolves(SERVICE_ADDRESS)
        ),
        Service(
            "public-dns",
            dns.command(truth, PUBLIC_RESOLVERS),
            lambda: all(_resolves(address) for address in PUBLIC_RESOLVERS),
        ),
        Service("registry", ["docker-registry", "serve", str(config)], lambda: _connects(port)),
        Service(
            "web",
            [
                *(sys.executable, "-m", "tests.testbed.web", "--sites", str(sites)),
                *("--log", str(world / "access.jsonl")),
                *("--certificate", str(keys / "site.crt"), "--key", str(keys / "site.key")),
            ],
            lambda: _connects(80) and _connects(443),
        ),
        Service("libvirt", libvirt.command(world), libvirt.ready),
    ]


def _resolves(server: str) -> bool:
    try:
        return dns.ask(server, HUB) is not None
    except OSError:
        return False


def _connects(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
    except OSError:
        return False
    return True
