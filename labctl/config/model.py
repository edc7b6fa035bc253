"""The model behind lab.yaml.

Everything that labctl does starts from a `LabSpec`. It is frozen, has no unknown keys, and its
strings match `labctl.config.patterns`. Get one from `labctl.config.load` or
`labctl.config.validate`, which also check its values against each other.
"""

from __future__ import annotations

import functools
import ipaddress
import types
from dataclasses import replace
from functools import cached_property
from typing import Annotated, TypeVar, cast

from pydantic import Discriminator, Field, Tag

from labctl.config import network as addresses
from labctl.config import patterns
from labctl.config.class_section import ClassKeys, ClassSpec
from labctl.config.machine_options import MachineOptions
from labctl.config.node import Node
from labctl.config.node_options import NodeOptions, of_nodes
from labctl.config.proxy_section import ProxyKey
from labctl.config.sections import (
    Box,
    DockerSpec,
    Machine,
    NodeSpec,
    Sources,
    SyncedFolder,
    ToolchainSpec,
)
from labctl.config.toolchains import TOOLCHAINS, Toolchain
from labctl.config.values import (
    Between,
    Cpus,
    HostPath,
    Is,
    Label,
    Loose,
    MiB,
    Part,
    PlaybookName,
    Seconds,
    count_or_list,
    named,
)
from labctl.messages import msg

KeysT = TypeVar("KeysT", bound=Part)


class LabSpec(MachineOptions):
    """A valid lab."""

    name: Label = Field(
        default="lab",
        description="Name of the lab and prefix of its virtual machines. Default: its folder's.",
        examples=["docker-course"],
    )
    nodes: Annotated[
        Annotated[
            int,
            Between(1, 50, msg("a lab needs a node, and one computer runs at most 50")),
            Tag("(count)"),
        ]
        | Annotated[tuple[NodeSpec, ...], Loose, Field(min_length=1, max_length=50), Tag("(list)")],
        Discriminator(count_or_list),
    ] = Field(
        default=2,
        description="Number of nodes, or a list of nodes with settings of their own.",
        examples=[3],
    )
    node_prefix: Annotated[str, Is(patterns.PREFIX)] = Field(
        default="docker-node",
        description="Prefix of the names of nodes that are given as a number: docker-node1, …",
        examples=["lab"],
    )
    provider: Annotated[str, Is(patterns.PROVIDER)] | None = Field(
        default=None,
        description="What runs the virtual machines. Default: the one that is installed; if both "
        "are, virtualbox.",
        examples=["virtualbox", "libvirt"],
    )
    box: Annotated[Box, named(Box, "name")] = Field(
        default_factory=Box,
        description="Vagrant box that the nodes are created from: its name, or a mapping.",
        examples=["centos/7"],
    )
    memory: MiB = Field(default=1024, description="Memory of each node in MiB.", examples=[2048])
    cpus: Cpus = Field(default=1, description="Virtual CPUs of each node.", examples=[2])
    network: Annotated[str, Is(patterns.NETWORK)] = Field(
        default="192.168.56.0/24",
        description="Private network of the lab; the first node gets address 11 in it. Default: "
        "this one, or a free one if another lab of this computer uses it.",
        examples=["192.168.60.0/24"],
    )
    synced_folders: Annotated[tuple[SyncedFolder, ...], Loose] = Field(
        default=(),
        description="Folders of this computer that every node can use.",
        examples=[[{"host": "labs", "guest": "/srv/labs"}]],
    )
    linked_clone: bool = Field(
        default=True,
        description="VirtualBox only: nodes share the box's disk, which is faster and smaller.",
        examples=[False],
    )
    vbguest: bool = Field(
        default=False,
        description="VirtualBox only: let the plugin vagrant-vbguest install Guest Additions, "
        "which synced folders of type virtualbox need.",
        examples=[True],
    )
    dns_host_resolver: bool = Field(
        default=False,
        description="VirtualBox only: resolve names through this computer. This fixes some DNS "
        "problems and causes others.",
        examples=[True],
    )
    vagrantfile: HostPath | None = Field(
        default=None,
        description="Ruby file that is included at the end of the Vagrantfile, for what no key can "
        "say; relative to lab.yaml.",
        examples=["extra.rb"],
    )
    boot_timeout: Seconds = Field(
        default=300, description="Seconds that a boot may take.", examples=[900]
    )
    toolchain: Annotated[ToolchainSpec, named(ToolchainSpec, "base")] = Field(
        default_factory=ToolchainSpec,
        description="Versions to install: a known set, or a mapping that changes single versions.",
        examples=["latest-el7"],
    )
    docker: DockerSpec = Field(
        default_factory=DockerSpec,
        description="Settings of the Docker engine.",
        examples=[{"daemon": {"log-opts": {"max-size": "10m"}}}],
    )
    sources: Sources = Field(
        default_factory=Sources,
        description="Every server that labctl and the nodes download from, so that each can be "
        "replaced.",
        examples=[{"resolver": "10.0.0.53"}],
    )
    proxy: ProxyKey | None = Field(
        default=None,
        description="HTTP proxy between the nodes and the Internet: a URL, a mapping, or inherit "
        "to take it from this computer's environment.",
        examples=["http://proxy.school.example:3128"],
    )
    playbooks: Annotated[tuple[PlaybookName, ...], Loose] = Field(
        default=("repos", "hosts", "engine", "mirrors", "compose"),
        description="Playbooks to run on each node, in this order.",
        examples=[["repos", "hosts", "engine", "mirrors", "compose", "registry"]],
    )
    kit: HostPath | None = Field(
        default=None,
        description="Folder of a kit, relative to lab.yaml: everything comes from it instead of "
        "the network. See `labctl kit`.",
        examples=["/media/stick/kit"],
    )
    parallel: Annotated[int, Between(1, 64)] = Field(
        default=8, description="How many nodes labctl works on at once.", examples=[4]
    )
    machines: Annotated[tuple[Machine, ...], Loose, Field(min_length=1, max_length=500)] | None = (
        Field(
            default=None,
            description="Machines that exist already, to be used instead of virtual machines.",
            examples=[[{"name": "pc1", "host": "10.20.0.11", "user": "teacher"}]],
        )
    )

    @property
    def class_spec(self) -> ClassSpec | None:
        """The key `class`: the students, each with a lab like this one; None: a single lab."""
        return getattr(self, "class", None)

    @property
    def uses_vagrant(self) -> bool:
        """True if Vagrant creates the nodes; False if lab.yaml lists machines."""
        return self.machines is None

    @cached_property
    def lab_nodes(self) -> tuple[Node, ...]:
        """The nodes in their order, defaults filled in."""
        if self.machines is not None:
            return tuple(
                Node(m.name, m.address or (m.host if patterns.is_ipv4(m.host) else None), 0, 0)
                for m in self.machines
            )
        listed = self.nodes
        if isinstance(listed, int):
            names = (f"{self.node_prefix}{number}" for number in range(1, listed + 1))
            listed = tuple(NodeSpec.model_construct(name=name) for name in names)
        return tuple(
            Node(
                node.name,
                node.address or self._counted_address(index),
                node.memory or self.memory,
                node.cpus or self.cpus,
            )
            for index, node in enumerate(listed, start=1)
        )

    @cached_property
    def node_options(self) -> tuple[NodeOptions, ...]:
        """Vagrant's options of each node in their order; empty for existing machines."""
        if self.machines is not None:
            return ()
        listed = None if isinstance(self.nodes, int) else self.nodes
        return of_nodes(self, listed, self.node_names)

    @property
    def all_playbooks(self) -> tuple[str, ...]:
        """The playbooks to run: those of lab.yaml, `proxy` and `disk` if their keys are set."""
        names = self.playbooks
        if self.proxy is not None and "proxy" not in names:
            names = ("proxy", *names)
        if "disk" in names or all(node.disk is None for node in self.node_options):
            return names
        # It installs a package, so the repositories come first.
        first = next((names.index(name) + 1 for name in ("repos", "proxy") if name in names), 0)
        return (*names[:first], "disk", *names[first:])

    @property
    def node_names(self) -> tuple[str, ...]:
        """The names of the nodes in their order."""
        return tuple(node.name for node in self.lab_nodes)

    @cached_property
    def resolved_toolchain(self) -> Toolchain:
        """The versions to install: those of the base, with what lab.yaml changes."""
        chosen = self.toolchain
        changed = {
            name: getattr(chosen, name) for name in chosen.model_fields_set if name != "base"
        }
        return replace(TOOLCHAINS[chosen.base], **changed)

    @property
    def compose_sha256(self) -> str | None:
        """Checksum of the docker-compose v1 to download; None if none is wanted."""
        compose = self.resolved_toolchain.compose
        return None if compose is None else self.sources.compose.sha256.get(compose)

    def settings(self, keys: type[KeysT]) -> KeysT:
        """Return the values of a playbook's keys.

        Parameters:
            keys: the class `Settings` of the playbook.
        """
        assert isinstance(self, keys), f"the keys of {keys.__module__} have not been read"
        return self

    def _counted_address(self, index: int) -> str | None:
        """Return the address of node `index`; None if the network is invalid or too small."""
        if addresses.network_problem(self.network, bridge_moved=True):
            return None
        address = addresses.node_address(ipaddress.IPv4Network(self.network), index)
        return str(address) if address else None


@functools.cache
def lab_model(parts: tuple[type[Part], ...]) -> type[LabSpec]:
    """Return the model of a lab.yaml that has, besides labctl's own keys, those of `parts`."""
    model = types.new_class(
        "LabSpec",
        (LabSpec, ClassKeys, *parts),
        exec_body=lambda body: body.update(__module__=__name__, __doc__=LabSpec.__doc__),
    )
    return cast("type[LabSpec]", model)


def with_values(lab: LabSpec, **values: object) -> LabSpec:
    """Return a lab with other values of some keys, which are valid and are not checked again."""
    kind = type(lab)
    every = {name: getattr(lab, name) for name in kind.model_fields} | values
    return kind.model_construct(lab.model_fields_set | values.keys(), **every)
