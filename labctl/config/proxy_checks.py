"""Checks of the key `proxy` of lab.yaml, and the proxies that it means on this computer."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from labctl.config import proxy
from labctl.config.faults import Fault, Refused
from labctl.config.proxy import ProxyAddress, ProxySettings
from labctl.errors import UsageError
from labctl.messages import msg

if TYPE_CHECKING:
    from labctl.config.model import LabSpec


def check(spec: LabSpec) -> Iterator[Fault]:
    """Find what contradicts itself in `proxy`."""
    wanted = spec.proxy
    if wanted is None:
        return
    given = {scheme: getattr(wanted, scheme) for scheme in proxy.SCHEMES}
    if wanted.inherit and any(given.values()):
        yield Fault(
            ("proxy", "inherit"), msg("cannot be combined with http or https"), msg("remove one")
        )
    elif not wanted.inherit and not any(given.values()):
        yield Fault(
            ("proxy",),
            msg("neither http nor https is set"),
            msg("set one of them, or write: proxy: inherit"),
            ("proxy",),  # a wrong value that was cut out
        )
    for scheme, url in given.items():
        if url is not None and ProxyAddress.parse(url).is_loopback:
            yield Fault(("proxy", scheme), *_loopback(spec), ("network", "machines"))


def _loopback(spec: LabSpec) -> tuple[str, str]:
    message = msg("a loopback address means the node itself there, and not this computer")
    if spec.uses_vagrant:
        gateway = spec.network.partition("/")[0].rpartition(".")[0] + ".1"
        return message, msg(
            "let the proxy listen on this computer's address in the lab's network, and set "
            "http://{address}:PORT",
            address=gateway,
        )
    return message, msg("set an address of this computer that the nodes can reach")


def resolve(spec: LabSpec, variables: Mapping[str, str]) -> ProxySettings | None:
    """Return the lab's proxies; None if it has none.

    Passwords that lab.yaml leaves out are missing in it.

    Parameters:
        spec: the lab.
        variables: environment of this computer, for ``inherit``.

    Raises:
        UsageError: the environment names a proxy that cannot be used.
    """
    wanted = spec.proxy
    if wanted is None:
        return None
    given = {scheme: getattr(wanted, scheme) for scheme in proxy.SCHEMES}
    bypassed = wanted.no_proxy
    if wanted.inherit:
        found = proxy.from_environment(variables)
        given = {scheme: found.get(scheme) for scheme in proxy.SCHEMES}
        bypassed = (*bypassed, *(item.removeprefix("*") for item in found.get("no_proxy", ())))
    addresses = {scheme: _inherited(spec, scheme, url) for scheme, url in given.items() if url}
    if not addresses:
        return None
    nodes = [text for node in spec.lab_nodes for text in (node.name, node.address) if text]
    sources, docker = spec.sources, spec.docker
    mirrors = () if docker.mirrors == "auto" else docker.mirrors
    urls = (
        *(sources.vault.baseurl, sources.docker.baseurl, sources.docker.key, sources.compose.url),
        *(*sources.mirrors, *mirrors, *docker.insecure_registries),
    )
    settings = ProxySettings(
        addresses.get("http"), addresses.get("https"), (*proxy.ALWAYS_DIRECT, *nodes)
    )
    return settings.with_direct((*bypassed, *proxy.direct_hosts(urls)))


def _inherited(spec: LabSpec, scheme: str, url: str) -> ProxyAddress:
    try:
        found = ProxyAddress.parse(url)
    except Refused as error:
        raise _unfit(scheme, error.message, error.hint) from None
    if found.is_loopback:
        raise _unfit(scheme, *_loopback(spec))
    return found


def _unfit(scheme: str, message: str, hint: str) -> UsageError:
    return UsageError(
        msg("{scheme}_proxy of this computer: {message}", scheme=scheme, message=message), hint=hint
    )
