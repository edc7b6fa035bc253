"""The available providers, the choice of one for a lab, and what it refuses in lab.yaml."""

from __future__ import annotations

import difflib
import importlib
import os
import sys
from collections.abc import Iterator, Mapping
from importlib import metadata
from ipaddress import IPv4Network
from typing import TYPE_CHECKING

from labctl.config import faults, synced_folders
from labctl.config.faults import Fault, KeyPath
from labctl.errors import Problem, ProviderMissing
from labctl.machines import provider_options
from labctl.machines.base import Provider
from labctl.messages import joined, msg

if TYPE_CHECKING:
    from labctl.config.machine_options import MachineOptions
    from labctl.config.model import LabSpec

_OURS = {
    "virtualbox": "labctl.machines.virtualbox:VirtualBox",
    "libvirt": "labctl.machines.libvirt:Libvirt",
}
"""labctl's own providers, in the order in which they are tried."""

_GROUP = "labctl.providers"
"""Entry points by which other packages add providers."""


def names() -> tuple[str, ...]:
    """Return the names of all providers, labctl's own first."""
    others = {found.name for found in metadata.entry_points(group=_GROUP)}
    return (*_OURS, *sorted(others - _OURS.keys()))


def get(name: str) -> Provider:
    """Return the provider of that name.

    Raises:
        ProviderMissing: there is none.
    """
    if name in _OURS:
        module, _, kind = _OURS[name].partition(":")
        made: Provider = getattr(importlib.import_module(module), kind)()
        return made
    for found in metadata.entry_points(group=_GROUP, name=name):
        other: Provider = found.load()()
        return other
    raise ProviderMissing(
        msg("unknown provider '{name}'", name=name),
        hint=msg("available: {names}", names=", ".join(names())),
    )


def choose(
    requested: str | None, made_with: str, environment: Mapping[str, str] = os.environ
) -> tuple[str, str]:
    """Choose the provider.

    Parameters:
        requested: by a flag or lab.yaml.
        made_with: the provider that created the lab's machines; empty: none yet.
        environment: where VAGRANT_DEFAULT_PROVIDER is looked up.

    Returns:
        The provider's name, and why it was chosen, for people.

    Raises:
        ProviderMissing: none is usable, or not the requested one; or the machines were created with
            another one.
    """
    by_environment = environment.get("VAGRANT_DEFAULT_PROVIDER", "")
    if requested and made_with and requested != made_with:
        raise ProviderMissing(
            msg(
                "the lab's machines were created with {made_with}, not with {requested}",
                made_with=made_with,
                requested=requested,
            ),
            hint=msg(
                "run `labctl destroy` first, or use --provider {made_with}", made_with=made_with
            ),
        )
    candidates = (
        (requested or "", msg("requested")),
        (made_with, msg("the lab was created with it")),
        (by_environment if by_environment in names() else "", "VAGRANT_DEFAULT_PROVIDER"),
    )
    for provider, reason in candidates:
        if provider:
            missing = get(provider).missing(environment)
            if missing:
                raise ProviderMissing(
                    msg(
                        "{provider} ({reason}) cannot be used: {missing}",
                        provider=provider,
                        reason=reason,
                        missing=missing[0],
                    ),
                    hint=missing[1],
                )
            return provider, reason
    found = {provider: get(provider).missing(environment) for provider in names()}
    for provider, missing in found.items():
        if missing is None:
            return provider, msg("the first one installed")
    raise ProviderMissing(
        "no provider can be used on this computer",
        details=joined(
            (
                msg("{provider}: {missing}", provider=provider, missing=part[0])
                for provider, part in found.items()
                if part
            ),
            "{first}\n{then}",
        ),
        hint="install VirtualBox, or vagrant-libvirt with QEMU; `labctl doctor` shows details",
    )


def faults_of(spec: LabSpec) -> list[Fault]:
    """Return the faults of a lab with the provider in its lab.yaml; none if it names none."""
    if spec.provider is None:
        return []
    if spec.provider not in (known := names()):
        near = difflib.get_close_matches(spec.provider, known, n=1)
        message = msg(
            "must be one of {known}, is {provider!r}",
            known=", ".join(known),
            provider=spec.provider,
        )
        return [
            Fault(
                ("provider",), message, msg("did you mean {near!r}?", near=near[0]) if near else ""
            )
        ]
    return list(_faults(spec, get(spec.provider), sys.platform))


def problems(spec: LabSpec, name: str, platform: str = sys.platform) -> list[Problem]:
    """Return what a provider refuses in a lab on a host; empty if nothing.

    Parameters:
        spec: the lab.
        name: the provider's.
        platform: the host's, as `sys.platform` has it.
    """
    return [
        Problem(faults.where(fault.path), fault.message, hint=fault.hint)
        for fault in _faults(spec, get(name), platform)
    ]


def _faults(spec: LabSpec, provider: Provider, platform: str) -> Iterator[Fault]:
    if not spec.uses_vagrant:
        return
    refused = provider.network_problem(IPv4Network(spec.network), platform)
    if refused:
        yield Fault(("network",), *refused, ("network",))
    yield from provider_options.unknown(spec, names())
    yield from _unsupported(spec, provider)
    yield from faults.first_of_each_place(_of_interfaces(spec, provider, platform))
    yield from faults.first_of_each_place(provider.option_faults(spec))
    for index, folder in enumerate(spec.synced_folders):
        at = ("synced_folders", index, "type")
        if folder.type in synced_folders.OF_ONE_PROVIDER - provider.folder_types:
            message = msg(
                "{provider} does not support synced folders of type {type}",
                provider=provider.name,
                type=folder.type,
            )
            yield Fault(at, message, "use rsync")
        elif unfit := synced_folders.unfit(folder, spec):
            yield Fault(at, *unfit)


def _unsupported(spec: LabSpec, provider: Provider) -> Iterator[Fault]:
    """Yield the options that the provider does not have at all."""
    parts: list[tuple[KeyPath, MachineOptions]] = [((), spec)]
    if not isinstance(spec.nodes, int):
        parts += [(("nodes", index), node) for index, node in enumerate(spec.nodes)]
    for at, part in parts:
        own = bool(part.provider_options.get(provider.name))
        asked = {
            "disk": part.disk is not None,
            "gui": bool(part.gui),
            "nested": bool(part.nested),
            "provider_options": own,
        }
        for key, wanted in asked.items():
            if wanted and key not in provider.options:
                message = msg("{provider} has no such option", provider=provider.name)
                hint = msg(
                    "leave it out, or set it in a Ruby file, and set that file as vagrantfile"
                )
                yield Fault((*at, key), message, hint)


def _of_interfaces(spec: LabSpec, provider: Provider, platform: str) -> Iterator[Fault]:
    """Yield the further private networks that the provider refuses."""
    for node in spec.node_options:
        for card in node.interfaces:
            if card.network is not None and not card.bridge:
                refused = provider.network_problem(card.network, platform)
                if refused:
                    yield Fault((*card.path, "network"), *refused)
