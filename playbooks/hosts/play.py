"""/etc/hosts: the lab's nodes by name, and Docker Hub's hosts if the node cannot look them up.

A name is pinned only if the node's own resolver gives no address that works, and another resolver
gives one that helps. Pinning registry-1.docker.io alone is not enough: tokens come from
auth.docker.io and layers from production.cloudflare.docker.com. Addresses change, so a pin is a
repair and not a default. `labctl provision --refresh` measures again as if there were no pins;
otherwise a working pin would make the lookup look healthy, and would be removed for that reason.
"""

from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

from labctl.playbook import (
    Block,
    LabSpec,
    Observed,
    Package,
    Packages,
    Play,
    Plays,
    Preflight,
    ProxySettings,
    SecretStore,
    proxy_settings,
    shell_script,
)

from .lines import HostsLines
from .lookups import Lookups


def preflight(play: Play) -> Iterator[Preflight]:
    """Find names that are not found, or whose address is another: the first line wins."""
    yield HostsLines({k: v for k, v in play.addresses.items() if k != play.node.name})
    sources = play.lab.sources
    urls = (sources.vault.baseurl, sources.docker.baseurl, sources.compose.url)
    hosts = [urlsplit(url).hostname for url in urls]
    hub = tuple(sources.hub_hosts)
    yield Lookups(tuple(dict.fromkeys([*filter(None, hosts), *hub])), hub)


def play(play: Play) -> Plays:
    lines = [f"{address} {name}" for name, address in play.addresses.items()]
    yield Block("/etc/hosts", "nodes", tuple(lines))

    names = pinnable(play.lab, play.proxy)
    measure = shell_script(__file__, "lookup.sh", "broken.sh", names=" ".join(names))
    broken: list[str] = play.choose("hosts.broken", measure, _broken) if names else []
    pins: dict[str, str] = {}
    if broken:
        yield Packages((Package("bind-utils"),), repositories=play.repositories)
        measure = shell_script(
            __file__,
            "lookup.sh",
            "pins.sh",
            names=" ".join(broken),
            resolver=play.lab.sources.resolver,
        )
        pins = play.choose("hosts.pins", measure, _pins)
    yield Block("/etc/hosts", "pins", tuple(f"{pins[name]} {name}" for name in sorted(pins)))


def expected(lab: LabSpec, secrets: SecretStore) -> dict[str, Any]:
    return {"pinnable": pinnable(lab, proxy_settings(lab, secrets))}


def pinnable(lab: LabSpec, proxies: ProxySettings | None) -> list[str]:
    """Return Docker Hub's hosts that the node itself looks up; a proxy looks up all others."""
    return [
        name
        for name in lab.sources.hub_hosts
        if proxies is None or proxies.for_url(f"https://{name}/") is None
    ]


def _broken(seen: Observed) -> list[str]:
    return sorted(seen.output.split())


def _pins(seen: Observed) -> dict[str, str]:
    pairs = [line.split() for line in seen.output.splitlines()]
    return {pair[0]: pair[1] for pair in pairs if len(pair) == 2}
