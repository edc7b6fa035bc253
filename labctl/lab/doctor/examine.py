"""Which checks apply to a lab, in the order in which their remedies are best applied."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from labctl.errors import ProviderMissing
from labctl.lab.doctor import checks, environment
from labctl.lab.index import LabIndex
from labctl.machines import providers
from labctl.machines.finding import Finding, Level
from labctl.machines.host import Host
from labctl.messages import joined, msg

if TYPE_CHECKING:
    from labctl.lab.lab import Lab


def examine(lab: Lab, host: Host, *, offline: bool) -> list[Finding]:
    """Check this computer for a lab, without changing it or a node.

    Parameters:
        lab: the lab.
        host: this computer.
        offline: skip checks that need the network.

    Returns:
        The findings. Vagrant is checked only for Vagrant labs.
    """
    found = list(_vagrants(lab, host, offline=offline)) if lab.uses_vagrant else []
    found.append(checks.programs(host))
    if offline:
        found.append(Finding(Level.SKIPPED, "endpoints", "not checked because of --offline"))
    else:
        found += checks.reachable(host, lab.spec)
    return found


def _vagrants(lab: Lab, host: Host, *, offline: bool) -> Iterator[Finding]:
    yield checks.vagrant(host)
    provider = ""
    try:
        provider, reason = host.provider(lab.spec.provider, lab.state.provider())
        yield Finding(Level.OK, "provider", msg("{what}: {why}", what=provider, why=reason))
    except ProviderMissing as error:
        found = joined([error.message, *error.details.splitlines()])
        yield Finding(Level.FAIL, "provider", found, error.hint)
    likely = provider or (providers.names()[0] if host.system == "darwin" else "")
    if likely:
        yield from providers.get(likely).examine(host, lab.spec)
    if provider:
        yield checks.virtualization(host, provider)
        yield from environment.folders(host, lab.spec, provider)
        others = LabIndex().others(lab.workspace.state)
        yield from environment.network(host, lab.spec, provider, others)
        yield environment.firewall(host, lab.spec, provider)
    yield checks.memory(host, lab.spec)
    yield checks.disk(host, lab.spec, provider)
    yield checks.box(host, lab.spec, provider, offline=offline)
