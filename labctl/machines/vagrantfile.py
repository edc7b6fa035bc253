"""The Vagrantfile of a lab.

Pure: templates and values go in, text comes out, nothing is written. A Vagrantfile is a program, so
values of a lab.yaml, perhaps a stranger's, must not become code in it. Therefore `ruby_literal`
quotes each of them.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from labctl.config import synced_folders
from labctl.config.model import LabSpec
from labctl.config.node import Node
from labctl.machines.base import Provider
from labctl.templating import TemplateFolders, template

if TYPE_CHECKING:
    from labctl.config.node_options import NodeOptions
    from labctl.config.sections import Box
    from labctl.machines.site import Site

_RUBY_ESCAPES = {'"': r"\"", "\\": r"\\", "\n": r"\n", "\r": r"\r", "\t": r"\t"}


def vagrantfile(
    spec: LabSpec,
    provider: Provider,
    templates: TemplateFolders,
    *,
    additions: bool = True,
    left: Sequence[str] = (),
    own: str = "",
    site: Site | None = None,
) -> str:
    """Return the Vagrantfile of a lab.

    Parameters:
        spec: a lab that uses Vagrant (`spec.uses_vagrant`).
        provider: creates the machines.
        templates: where to look for Vagrantfile.j2.
        additions: vagrant-vbguest can install Guest Additions here.
        left: names of machines that left the lab but still exist. Vagrant can only destroy machines
            that its file defines.
        own: the text of the Ruby file that lab.yaml names as vagrantfile.
        site: where the machines are, for the lab of one student of a class.

    Raises:
        UsageError: the template is missing or wrong, with its file and line.
    """
    network = ipaddress.IPv4Network(spec.network)
    values = {
        "lab": spec.name,
        "provider": provider.name,
        "box": _box(spec.box),
        "network": {
            "address": str(network.network_address),
            "prefix": network.prefixlen,
            "netmask": str(network.netmask),
        },
        "nodes": [
            {
                "name": node.name,
                "address": node.address,
                "memory": node.memory,
                "cpus": node.cpus,
            }
            for node in (*spec.lab_nodes, *(_left(name, spec, network) for name in left))
        ],
        "folders": (shared := _folders(spec, provider, spec.box, additions=additions)),
        "options": [
            options
            for node in spec.node_options
            if (options := _options(spec, provider, node, shared, additions=additions))
        ],
        "linked_clone": spec.linked_clone,
        "vbguest": spec.vbguest,
        "dns_host_resolver": spec.dns_host_resolver,
        "boot_timeout": spec.boot_timeout,
        "vagrantfile": spec.vagrantfile and {"path": spec.vagrantfile, "text": own},
        "site": None,
        **provider.values(spec),
        **(site.values() if site is not None else {}),
    }
    if provider.templates is not None:
        templates = (*templates, provider.templates)
    return template("Vagrantfile.j2", templates, values, filters={"ruby": ruby_literal})


def _box(box: Box) -> dict[str, str | None]:
    return {
        "name": box.name,
        "version": box.pinned_version,
        "url": box.url,
        "sha256": box.sha256,
    }


def _folders(
    spec: LabSpec, provider: Provider, box: Box, *, additions: bool
) -> list[dict[str, Any]]:
    """Return the synced folders of a node with that box."""
    return [
        {
            "host": folder.host,
            "guest": folder.guest,
            "type": (
                kind := synced_folders.resolved(
                    folder, spec, provider.folder_types, additions=additions, box=box
                )
            ),
            "options": synced_folders.options(folder, kind),
        }
        for folder in spec.synced_folders
    ]


def _options(
    spec: LabSpec,
    provider: Provider,
    node: NodeOptions,
    shared: list[dict[str, Any]],
    *,
    additions: bool,
) -> dict[str, Any]:
    """Return the options of a node; empty if it has none."""
    folders = _folders(spec, provider, node.box, additions=additions) if node.box else shared
    found = {
        "box": _box(node.box) if node.box else None,
        "folders": [folder for folder in folders if folder not in shared],
        "disk": node.disk,
        "gui": node.gui,
        "nested": node.nested,
        "ports": [
            {
                "guest": port.guest,
                "host": port.host,
                "protocol": port.protocol,
                "host_ip": port.host_ip,
            }
            for port in node.forwards
        ],
        "networks": [
            {
                "network": str(card.network) if card.network else None,
                "netmask": str(card.network.netmask) if card.network else None,
                "address": card.address,
                "bridge": card.bridge,
            }
            for card in node.interfaces
        ],
        "settings": dict(node.provider_options.get(provider.name, {})),
        "snippets": [snippet.model_dump() for snippet in node.snippets],
    }
    return {"name": node.name, **found} if any(found.values()) else {}


def _left(name: str, spec: LabSpec, network: ipaddress.IPv4Network) -> Node:
    """Return a machine that left the lab, with valid values; it is never started."""
    return Node(name, str(network.broadcast_address - 1), spec.memory, spec.cpus)


def ruby_literal(value: object) -> str:
    """Return `value` as a Ruby literal that evaluates to it and to nothing else.

    Parameters:
        value: text, whole number, bool, None, or lists and mappings of these.

    Raises:
        TypeError: a value of another type.
        ValueError: a text that UTF-8 cannot encode.
    """
    if value is None:
        return "nil"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(int(value))
    if isinstance(value, str):
        return '"' + "".join(map(_ruby_character, value)) + '"'
    if isinstance(value, Mapping):
        pairs = (f"{ruby_literal(key)} => {ruby_literal(item)}" for key, item in value.items())
        return "{" + ", ".join(pairs) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(ruby_literal, value)) + "]"
    raise TypeError(f"no Ruby literal for {type(value).__name__}")


def _ruby_character(character: str) -> str:
    """Return a character as it stands between double quotes in Ruby."""
    if character in _RUBY_ESCAPES:
        return _RUBY_ESCAPES[character]
    # '#' starts an interpolation before '{', '$' and '@'. Escaping every '#' is simpler.
    if character == "#":
        return r"\#"
    if "\ud800" <= character <= "\udfff":
        raise ValueError("a lone surrogate cannot be written to a file")
    return character if character.isprintable() else f"\\u{{{ord(character):x}}}"
