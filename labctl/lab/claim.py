"""Register a lab on this computer, with the private networks that only it may use."""

from __future__ import annotations

from labctl.config import node_options
from labctl.errors import UsageError
from labctl.events import Notice
from labctl.lab.index import Entry, LabIndex
from labctl.lab.lab import Lab
from labctl.messages import msg


def claim(lab: Lab) -> None:
    """Register the lab and its private networks on this computer.

    Raises:
        UsageError: another lab uses one of the networks.
    """
    spec = lab.spec
    found = LabIndex().claim(entry(lab, spec.network))
    if found is None:
        return
    if found.lab.gone:
        lab.emit(
            Notice(
                "",
                msg(
                    "the network {network} belongs to the lab in {folder}; the "
                    "folder is gone, but its machines may still exist",
                    folder=found.lab.folder,
                    network=found.theirs,
                ),
            )
        )
        return
    hint = msg(
        "remove 'network' from lab.yaml so that labctl chooses a free one, or "
        "destroy that lab first"
    )
    if found.network != spec.network:
        hint = msg("set another network under 'networks' in lab.yaml, or destroy that lab first")
    elif not isinstance(spec.nodes, int) and any(node.address for node in spec.nodes):
        hint = msg(
            "set another 'network' that contains the nodes' addresses, or destroy that lab first"
        )
    raise UsageError(
        msg(
            "the network {network} already belongs to the lab in {folder}",
            network=found.network,
            folder=found.lab.folder,
        ),
        hint=hint,
    )


def entry(lab: Lab, network: str) -> Entry:
    """Return a lab's entry in the index, with the network that it uses."""
    place = lab.workspace
    spec_file = str(place.spec_file or "")
    folder, state = str(place.folder), str(place.state)
    options = lab.spec.node_options
    ports = tuple(sorted({port.host for node in options for port in node.forwards}))
    further = node_options.private_networks(options)
    return Entry(folder, state, lab.name, network, lab.node_names, spec_file, ports, further)
