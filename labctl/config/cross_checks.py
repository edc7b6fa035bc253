"""Checks between values of a lab that are each valid.

Every function takes the model and returns faults; none stops at the first. `labctl.config.validate`
runs them.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator
from ipaddress import IPv4Interface, IPv4Network
from typing import TYPE_CHECKING

from labctl.config import (
    class_checks,
    daemon_json,
    guest_folders,
    node_options,
    option_checks,
    proxy_checks,
    synced_folders,
)
from labctl.config import network as addresses
from labctl.config.faults import Fault, KeyPath
from labctl.messages import msg

if TYPE_CHECKING:
    from labctl.config.model import LabSpec
    from labctl.config.sections import Box

# `all` stands for every node on the command line; `localhost` would lose its line in /etc/hosts.
RESERVED = frozenset({"all", "localhost"})
# Keys that describe virtual machines. They have no meaning if the machines exist already.
VAGRANT_KEYS = (
    "nodes",
    "node_prefix",
    "provider",
    "box",
    "memory",
    "cpus",
    "network",
    "synced_folders",
    "linked_clone",
    "vbguest",
    "dns_host_resolver",
    "boot_timeout",
    "vagrantfile",
    *node_options.KEYS,
)
# docker-compose v1 fails on recreating a container of these engines (docker/compose#11742).
NO_COMPOSE_V1 = 25


def check(spec: LabSpec) -> list[Fault]:
    """Return every fault between the values of `spec`; empty if there is none."""
    return [
        *(_machines(spec) if spec.machines is not None else _nodes(spec)),
        *class_checks.check(spec),
        *_bridge(spec),
        *_box(spec),
        *synced_folders.check(spec),
        *guest_folders.check(spec),
        *option_checks.check(spec),
        *proxy_checks.check(spec),
        *_toolchain(spec),
        *daemon_json.check(
            spec.docker.daemon, ("docker", "daemon"), spec.resolved_toolchain.engine_major
        ),
        *_twice(
            ((("playbooks", i), name) for i, name in enumerate(spec.playbooks)),
            msg("the playbook {item} is listed twice"),
        ),
        *_twice(
            (
                (("synced_folders", i, "guest"), folder.guest.rstrip("/"))
                for i, folder in enumerate(spec.synced_folders)
            ),
            msg("{item} is already the guest path of another synced folder"),
        ),
    ]


def _machines(spec: LabSpec) -> Iterator[Fault]:
    """Check existing machines: no key of virtual ones, no name and no address twice."""
    for key in VAGRANT_KEYS:
        if key in spec.model_fields_set:
            message = msg("cannot be combined with machines")
            yield Fault((key,), message, "machines exist already; Vagrant does not create them")
    machines = spec.machines or ()
    yield from _names((("machines", i, "name"), m.name) for i, m in enumerate(machines))
    yield from _twice(
        (
            (("machines", i, "host"), f"{machine.host}:{machine.port} via {machine.jump or '-'}")
            for i, machine in enumerate(machines)
        ),
        msg("another machine has the same host and port"),
    )
    yield from _twice(
        (
            (("machines", i, "address" if machine.address else "host"), node.address)
            for i, (machine, node) in enumerate(zip(machines, spec.lab_nodes, strict=True))
            # Two ports of one host may be two machines behind one address.
            if node.address and (machine.address or machine.port == 22)
        ),
        msg("the address {item} is used twice"),
    )


def _bridge(spec: LabSpec) -> Iterator[Fault]:
    """Check the address of docker's own bridge: it has a prefix and is outside the network."""
    text = spec.docker.daemon.get("bip")
    if not isinstance(text, str):
        return
    at = ("docker", "daemon", "bip")
    try:
        bridge = IPv4Interface(text).network if "/" in text else None
    except ValueError:
        bridge = None
    if bridge is None:
        yield Fault(
            at, msg("{text!r} is not an address with a prefix", text=text), "such as 172.26.0.1/16"
        )
    elif spec.machines is None:
        problem = addresses.network_problem(spec.network, bridge_moved=True)
        if problem is None and IPv4Network(spec.network).overlaps(bridge):
            message = msg(
                "docker's own bridge, {bridge}, overlaps the lab's network {network}",
                bridge=bridge,
                network=spec.network,
            )
            yield Fault(at, message, "change one of them", ("network",))


def _nodes(spec: LabSpec) -> Iterator[Fault]:
    """Check virtual machines: the network is usable, and names and addresses differ."""
    problem = addresses.network_problem(
        spec.network, bridge_moved="bip" in spec.docker.daemon or "bridge" in spec.docker.daemon
    )
    if problem:
        yield Fault(("network",), *problem)
        usable = False
    else:
        usable = True
    if isinstance(spec.nodes, int):
        if usable and spec.nodes > addresses.capacity(IPv4Network(spec.network)):
            room = addresses.capacity(IPv4Network(spec.network))
            message = msg(
                "{nodes} nodes do not fit: {network} has addresses for {room}",
                nodes=spec.nodes,
                network=spec.network,
                room=room,
            )
            yield Fault(("nodes",), message, "use a shorter prefix, such as /24", ("network",))
        return
    yield from _names((("nodes", i, "name"), node.name) for i, node in enumerate(spec.nodes))
    if usable:
        yield from _addresses(spec, IPv4Network(spec.network))
    else:
        # The same address twice is wrong in any network.
        yield from _twice(
            (
                (("nodes", i, "address"), node.address)
                for i, node in enumerate(spec.nodes)
                if node.address
            ),
            msg("the address {item} is used twice"),
        )


def _addresses(spec: LabSpec, network: IPv4Network) -> Iterator[Fault]:
    """Check the addresses of listed nodes, both explicit and default ones."""
    assert not isinstance(spec.nodes, int)
    given: list[tuple[KeyPath, str]] = []
    counted: list[tuple[KeyPath, str]] = []
    for index, (listed, node) in enumerate(zip(spec.nodes, spec.lab_nodes, strict=True)):
        if listed.address:
            given.append((("nodes", index, "address"), listed.address))
            if problem := addresses.address_problem(listed.address, network):
                hint = msg(
                    "leave it out, or take one from {first} to {last}",
                    first=network[2],
                    last=network[-2],
                )
                yield Fault(("nodes", index, "address"), problem, hint, ("network",))
        elif node.address:
            counted.append((("nodes", index), node.address))
        else:
            message = msg(
                "{network} has no address left for {listed}", network=network, listed=listed.name
            )
            hint = msg("give it an address, or use a shorter prefix, such as /24")
            yield Fault(("nodes", index), message, hint, ("network", "nodes"))
    yield from _twice(given, msg("the address {item} is used twice"))
    taken = {address for _, address in given}
    for path, address in counted:
        if address in taken:
            message = msg(
                "its default address, {address}, belongs to another node", address=address
            )
            yield Fault(path, message, "give this node an address too", ("network", "nodes"))


def _names(names: Iterable[tuple[KeyPath, str]]) -> Iterator[Fault]:
    """Check the names of nodes: none is reserved, none is used twice."""
    listed = list(names)
    for path, name in listed:
        if name in RESERVED:
            yield Fault(path, msg("the name {name!r} is reserved", name=name))
    yield from _twice(listed, msg("the name {item} is used twice"))


def _twice(items: Iterable[tuple[KeyPath, Hashable]], message: str) -> Iterator[Fault]:
    """Yield a fault for every repeated item; `{item}` in `message` is the item."""
    seen: dict[Hashable, KeyPath] = {}
    for path, item in items:
        if item in seen:
            yield Fault(path, msg(message, item=item), needs=())
        seen.setdefault(item, path)


def _box(spec: LabSpec) -> Iterator[Fault]:
    """Check that a checksum and a version fit what the url names."""
    nodes = () if isinstance(spec.nodes, int) else spec.nodes
    own = ((("nodes", index, "box"), node.box) for index, node in enumerate(nodes) if node.box)
    boxes: list[tuple[KeyPath, Box]] = [(("box",), spec.box), *own]
    for at, box in boxes:
        if box.sha256 is not None and box.url is None:
            hint = msg("give the box file's url too")
            yield Fault((*at, "sha256"), "has no effect without a url", hint)
        if box.version is not None and box.url is not None and box.is_file:
            yield Fault(
                (*at, "version"),
                "a box file has no version, and Vagrant refuses one",
                "leave version out, or set url to the box's JSON metadata",
            )


def _toolchain(spec: LabSpec) -> Iterator[Fault]:
    """Check that the versions go together, and that a download has a checksum."""
    chain = spec.resolved_toolchain
    if chain.compose is None:
        return
    at = ("toolchain", "compose")
    if chain.engine_major >= NO_COMPOSE_V1:
        yield Fault(
            at,
            msg(
                "docker-compose {compose} does not work with engine {docker} "
                "(docker/compose#11742)",
                compose=chain.compose,
                docker=chain.docker,
            ),
            "set compose to null and compose_plugin to a version, or use base: latest-el7",
        )
    if spec.compose_sha256 is None:
        yield Fault(
            at,
            msg("labctl has no checksum for docker-compose {compose}", compose=chain.compose),
            msg('add it: sources.compose.sha256: {{"{compose}": "…"}}', compose=chain.compose),
            ("sources",),
        )
