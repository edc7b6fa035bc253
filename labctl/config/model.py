"""What a lab is: the model behind lab.yaml.

Everything that labctl does starts from a `LabSpec`, and a LabSpec that exists is right: values are
frozen, unknown keys are refused, strings match `labctl.config.patterns`, and the relations between
places have passed `labctl.config.cross_checks`. It does not read lab.yaml (`labctl.config.load`
does) and touches no machine.
"""

from __future__ import annotations

import ipaddress
import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, get_args

from pydantic import BaseModel, Discriminator, Field, Tag, ValidationError, model_validator
from pydantic_core import InitErrorDetails, PydanticCustomError

from labctl.config import cross_checks, daemon_json, faults, patterns
from labctl.config import network as addresses
from labctl.config.faults import BRANCHES, Fault
from labctl.config.network import virtualbox_network_problem
from labctl.config.playbook_sections import (
    ComposeAppSpec,
    HubCacheSpec,
    Image,
    OverlayMode,
    RegistrySpec,
)
from labctl.config.sections import (
    Between,
    Box,
    Cpus,
    DockerSpec,
    Is,
    Label,
    Loose,
    Machine,
    MiB,
    NodeSpec,
    Part,
    Provider,
    Seconds,
    Sources,
    SyncedFolder,
    ToolchainSpec,
    count_or_list,
    named,
)
from labctl.config.toolchains import TOOLCHAINS, Toolchain
from labctl.errors import Problem

__all__ = [
    "LabSpec",
    "Machine",
    "Node",
    "Provider",
    "SyncedFolder",
    "json_schema",
    "keys_at",
    "validate",
    "virtualbox_network_problem",
]


@dataclass(frozen=True, slots=True)
class Node:
    """One node of the lab, with every default filled in. `memory` is in MiB.

    `address` is the one that the other nodes use. For a machine that exists already it may be None,
    and memory and cpus are 0: they are not ours to give.
    """

    name: str
    address: str | None
    memory: int
    cpus: int


class LabSpec(Part):
    """A lab that makes sense."""

    name: Label = Field(
        default="lab", description="Name of the lab; default: its folder's. VMs carry it."
    )
    nodes: Annotated[
        Annotated[
            int,
            Between(1, 50, "a lab has at least one node, and no host carries more than 50"),
            Tag("(count)"),
        ]
        | Annotated[tuple[NodeSpec, ...], Loose, Field(min_length=1, max_length=50), Tag("(list)")],
        Discriminator(count_or_list),
    ] = Field(default=2, description="How many nodes, or a list of them.")
    node_prefix: Annotated[str, Is(patterns.PREFIX)] = Field(
        default="docker-node", description="Counted nodes are named by it and their number."
    )
    provider: Provider | None = Field(
        default=None, description="Default: the one that is installed."
    )
    box: Annotated[Box, named(Box, "name")] = Field(
        default_factory=Box, description="Vagrant box: its name, or a mapping."
    )
    memory: MiB = Field(default=1024, description="Memory of each node in MiB.")
    cpus: Cpus = Field(default=1, description="Virtual CPUs of each node.")
    network: Annotated[str, Is(patterns.NETWORK)] = Field(
        default="192.168.56.0/24", description="Private network; node 1 gets network + 11."
    )
    synced_folders: Annotated[tuple[SyncedFolder, ...], Loose] = Field(
        default=(), description="Folders of the host that every node sees; by default none."
    )
    linked_clone: bool = Field(default=True, description="VirtualBox: share the box's disk.")
    vbguest: bool = Field(default=False, description="Let vagrant-vbguest install Guest Additions.")
    dns_host_resolver: bool = Field(
        default=False, description="VirtualBox: resolve names by the host."
    )
    boot_timeout: Seconds = Field(default=300, description="Seconds that a boot may take.")
    toolchain: Annotated[ToolchainSpec, named(ToolchainSpec, "base")] = Field(
        default_factory=ToolchainSpec, description="Versions: a known set, or a mapping."
    )
    docker: DockerSpec = Field(default_factory=DockerSpec, description="The Docker engine.")
    sources: Sources = Field(default_factory=Sources, description="Where things come from.")
    playbooks: Annotated[tuple[Annotated[str, Is(patterns.PLAYBOOK)], ...], Loose] = Field(
        default=("repos", "hosts", "engine", "mirrors", "compose"),
        description="Playbooks, in the order of work.",
    )
    registry: RegistrySpec = Field(
        default_factory=RegistrySpec, description="Playbook registry: a private registry."
    )
    hub_cache: HubCacheSpec = Field(
        default_factory=HubCacheSpec, description="Playbook hub-cache: a cache of Docker Hub."
    )
    images: Annotated[tuple[Image, ...], Loose] = Field(
        default=(), description="Playbook images: what every node has before class."
    )
    overlay: OverlayMode = Field(
        default="auto",
        description="Playbook overlay: etcd (engines before 23.0) or swarm; auto: by the engine.",
    )
    compose_app: ComposeAppSpec | None = Field(
        default=None, description="Playbook compose-app: an application that is up before class."
    )
    parallel: Annotated[int, Between(1, 64)] = Field(
        default=8, description="How many nodes are worked on at once."
    )
    machines: Annotated[tuple[Machine, ...], Loose, Field(min_length=1, max_length=500)] | None = (
        Field(default=None, description="Machines that exist already, instead of Vagrant's.")
    )

    @property
    def uses_vagrant(self) -> bool:
        """Whether Vagrant makes the nodes; False where lab.yaml lists machines."""
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

    def provider_problems(
        self,
        provider: str,
        *,
        platform: str | None = None,
        networks_conf: Path | None = None,
    ) -> list[Problem]:
        """Return what `provider` on this host would refuse; empty if nothing.

        Parameters:
            provider: "virtualbox" or "libvirt".
            platform: of the host, as `sys.platform` has it; default: this host's.
            networks_conf: where VirtualBox reads the networks it allows; default: its own place.
        """
        return [
            Problem(faults.where(fault.path), fault.context["message"], hint=fault.context["hint"])
            for fault in self.provider_faults(provider, platform, networks_conf)
        ]

    def provider_faults(
        self,
        provider: str,
        platform: str | None = None,
        networks_conf: Path | None = None,
    ) -> list[Fault]:
        """As `provider_problems`, with paths that a file's lines can be found by."""
        if not self.uses_vagrant:
            return []
        found = cross_checks.for_provider(self, provider)
        if provider == "virtualbox":
            place = networks_conf or Path(addresses.NETWORKS_CONF)
            conf = place.read_text("utf-8", "replace") if place.is_file() else None
            network = ipaddress.IPv4Network(self.network)
            problem = virtualbox_network_problem(network, platform or sys.platform, conf)
            if problem:
                found.append(faults.cross(("network",), *problem, ("network",)))
        return found

    def _counted_address(self, index: int) -> str | None:
        """Return the address of node `index`, None if the network has none (or is none)."""
        if addresses.network_problem(self.network, bridge_moved=True):
            return None
        address = addresses.node_address(ipaddress.IPv4Network(self.network), index)
        return str(address) if address else None

    @model_validator(mode="after")
    def _makes_sense(self) -> LabSpec:
        """Run the checks between places; pydantic takes over the paths of what they find."""
        found = cross_checks.check(self)
        if found:
            details: list[InitErrorDetails] = [
                {
                    "type": PydanticCustomError(
                        fault.kind, "{message}", {"message": "", "late": True, **fault.context}
                    ),
                    "loc": fault.path,
                    "input": fault.value,
                }
                for fault in found
            ]
            raise ValidationError.from_exception_data("LabSpec", details)
        return self


def validate(raw: object) -> LabSpec | list[Fault]:
    """Return the lab that `raw` (plain dicts, lists and scalars) describes, or all of its faults.

    Faults between places are only found where each place is right by itself.
    """
    try:
        return LabSpec.model_validate(raw)
    except ValidationError as error:
        return [
            Fault(
                tuple(part for part in found["loc"] if part not in BRANCHES),
                found["type"],
                found["input"],
                {"message": found["msg"], **found.get("ctx", {})},
            )
            for found in error.errors(include_url=False)
            if not _miscounted(found["type"], found["input"], found.get("ctx", {}))
        ]


def _miscounted(kind: str, value: object, context: Mapping[str, Any]) -> bool:
    """Tell whether pydantic calls a list too short only since some of its items are wrong."""
    return kind == "too_short" and isinstance(value, list) and len(value) >= context["min_length"]


def keys_at(path: faults.KeyPath) -> tuple[str, ...]:
    """Return the keys that lab.yaml may have in the mapping at `path`; empty if any or none may."""
    if path[:2] == ("docker", "daemon"):
        return tuple(daemon_json.KEYS) if len(path) == 2 else ()
    model: type[BaseModel] | None = LabSpec
    for part in path:
        if isinstance(part, str):
            known = model.model_fields.get(part) if model else None
            model = _model_in(known.annotation) if known else None
    return tuple(model.model_fields) if model else ()


def json_schema() -> dict[str, Any]:
    """Return the JSON Schema of lab.yaml."""
    return LabSpec.model_json_schema()


def _model_in(annotation: object) -> type[BaseModel] | None:
    """Return the model somewhere inside a type annotation, None if there is none."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((m for part in get_args(annotation) if (m := _model_in(part))), None)
