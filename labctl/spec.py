"""What a lab is: the model behind lab.yaml.

Everything that labctl does starts from a `LabSpec`, and a LabSpec that exists is right: values are
frozen, unknown keys are refused, strings have the shapes of `labctl.shapes`, and what concerns
several places at once has been through `labctl.speccheck`. It does not read lab.yaml
(`labctl.specfile` does) and touches no machine.
"""

from __future__ import annotations

import ipaddress
import sys
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    Strict,
    Tag,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_core import CoreSchema, InitErrorDetails, PydanticCustomError, core_schema

from labctl import addresses, daemon, faults, shapes, sources, speccheck, toolchains
from labctl.addresses import virtualbox_network_problem
from labctl.errors import Problem
from labctl.faults import BRANCHES, OWN, Fault
from labctl.toolchains import TOOLCHAINS, Toolchain

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

Provider = Literal["virtualbox", "libvirt"]
SyncType = Literal["auto", "rsync", "virtualbox", "nfs", "sshfs", "9p", "disabled"]


@dataclass(frozen=True, slots=True)
class Is:
    """Annotation that gives a string one of the shapes, with our sentence for what has it not."""

    shape: shapes.Shape

    def __get_pydantic_core_schema__(
        self, source: type[Any], handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        return core_schema.no_info_after_validator_function(self._check, handler(source))

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        found = handler(schema)
        # Editors use ECMAScript's expressions; ours say nothing that differs there.
        found["pattern"] = f"^({self.shape.pattern})$"
        if self.shape.schema_format:
            found["format"] = self.shape.schema_format
        return found

    def _check(self, text: str) -> str:
        message = self.shape.problem(text)
        if message is not None:
            raise _own(message, self.shape.hint)
        return text


def _own(message: str, hint: str = "") -> PydanticCustomError:
    """Return the exception by which a validator says `message` in our own words."""
    return PydanticCustomError(OWN, "{message}", {"message": message, "hint": hint})


def _joined(value: object) -> object:
    """Take the blanks out of a fingerprint, in which gpg prints it, and write it in capitals."""
    return value.replace(" ", "").upper() if isinstance(value, str) else value


def _lowered(value: object) -> object:
    return value.lower() if isinstance(value, str) else value


def _named(key: str) -> BeforeValidator:
    """Let a mapping be given by the one value that matters: ``box: centos/7``."""
    return BeforeValidator(
        lambda value: {key: value} if isinstance(value, str | int | float) else value
    )


def _count_or_list(value: object) -> str:
    return "(list)" if isinstance(value, list | tuple) else "(count)"


def _auto_or_list(value: object) -> str:
    return "(list)" if isinstance(value, list | tuple) else "(auto)"


Label = Annotated[str, Is(shapes.LABEL)]
IPv4 = Annotated[str, Is(shapes.IPV4)]
Version = Annotated[str, Is(shapes.VERSION)]
Url = Annotated[str, Is(shapes.URL)]
Mirror = Annotated[str, Is(shapes.MIRROR)]
Host = Annotated[str, Is(shapes.HOST)]
Text = Annotated[str, Is(shapes.TEXT)]
Sha256 = Annotated[str, BeforeValidator(_lowered), Is(shapes.SHA256)]
Fingerprint = Annotated[str, BeforeValidator(_joined), Is(shapes.FINGERPRINT)]
MiB = Annotated[int, Field(ge=512, le=1024 * 1024)]
Cpus = Annotated[int, Field(ge=1, le=64)]
# YAML has lists only, and frozen models want tuples; the items stay strict.
Loose = Strict(False)


class _Part(BaseModel):
    """Base of every mapping in lab.yaml: frozen, strict about types and about keys."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class NodeSpec(_Part):
    """A node that is named in lab.yaml."""

    name: Label = Field(description="Host name of the node.")
    address: IPv4 | None = Field(
        default=None, description="Address; default: network + 10 + position."
    )
    memory: MiB | None = Field(default=None, description="Memory in MiB; default: the lab's.")
    cpus: Cpus | None = Field(default=None, description="Virtual CPUs; default: the lab's.")


class Box(_Part):
    """The Vagrant box that the nodes are made from."""

    name: Annotated[str, Is(shapes.BOX_NAME)] = Field(
        default="centos/7", description="Name of the box."
    )
    version: Version | None = Field(
        default=None,
        description='Version; default: "2004.01" for centos/7 without a url, else the newest.',
    )
    url: Url | None = Field(
        default=None, description="Where the box is, if it is not on Vagrant's hub."
    )
    sha256: Sha256 | None = Field(default=None, description="Checksum of the box file behind url.")

    @property
    def pinned_version(self) -> str | None:
        """The version to ask for. A box file behind a URL has none, as Vagrant sees it."""
        if self.version is None and self.url is None and self.name == "centos/7":
            return "2004.01"
        return self.version


class SyncedFolder(_Part):
    """A folder of the host that a node sees."""

    host: Text = Field(description="Folder on the host, relative to lab.yaml.")
    guest: Annotated[str, Is(shapes.GUEST_PATH), Is(shapes.TEXT)] = Field(
        description="Absolute path on the node."
    )
    type: SyncType = Field(
        default="auto", description="How it gets there; auto leaves it to Vagrant."
    )


class ToolchainSpec(_Part):
    """A known set of versions, with single members changed. null leaves an optional member out."""

    base: str = Field(
        default=toolchains.DEFAULT, description="Set to start from: course or latest-el7."
    )
    containerd: Version | None = Field(default=None, description="containerd.io, VERSION-RELEASE.")
    docker: Version | None = Field(default=None, description="docker-ce, VERSION-RELEASE.")
    docker_cli: Version | None = Field(default=None, description="docker-ce-cli, VERSION-RELEASE.")
    compose: Version | None = Field(default=None, description="Release of docker-compose v1.")
    compose_plugin: Version | None = Field(default=None, description="docker-compose-plugin.")
    buildx: Version | None = Field(default=None, description="docker-buildx-plugin.")

    @field_validator("base")
    @classmethod
    def _is_known(cls, value: str) -> str:
        if value not in TOOLCHAINS:
            known = " and ".join(TOOLCHAINS)
            raise _own(f"unknown toolchain {shapes.shown(value)}", f"known are {known}")
        return value

    @field_validator("containerd", "docker", "docker_cli")
    @classmethod
    def _is_needed(cls, value: str | None) -> str:
        if value is None:
            raise _own("must be a version, is empty", "leave the key out for the toolchain's own")
        return value


class DockerSpec(_Part):
    """How the Docker engine of the nodes is set up."""

    users: Annotated[tuple[Annotated[str, Is(shapes.LINUX_USER)], ...], Loose] = Field(
        default=(), description="Members of the docker group besides the login user."
    )
    mirrors: Annotated[
        Annotated[Literal["auto"], Tag("(auto)")]
        | Annotated[tuple[Mirror, ...], Loose, Tag("(list)")],
        Discriminator(_auto_or_list),
    ] = Field(
        default="auto", description="Mirrors of Docker Hub: auto (probe sources.mirrors) or a list."
    )
    insecure_registries: Annotated[tuple[Annotated[str, Is(shapes.REGISTRY)], ...], Loose] = Field(
        default=(), description="Registries that are spoken to without TLS."
    )
    daemon: dict[str, Any] = Field(
        default_factory=dict, description="Further keys of daemon.json, as dockerd documents them."
    )


class VaultSource(_Part):
    """CentOS 7's own packages, which live in the vault since June 2024."""

    baseurl: Url = Field(
        default=sources.VAULT_BASEURL, description="Folder that holds os/ and updates/."
    )
    key: Url = Field(
        default=sources.VAULT_KEY, description="URL of the signing key, as a node sees it."
    )
    fingerprint: Fingerprint = Field(
        default=sources.VAULT_FINGERPRINT, description="The key's print."
    )


class DockerSource(_Part):
    """Docker's package repository."""

    baseurl: Url = Field(default=sources.DOCKER_BASEURL, description="Folder that holds repodata/.")
    key: Url = Field(default=sources.DOCKER_KEY, description="URL of the signing key.")
    fingerprint: Fingerprint = Field(
        default=sources.DOCKER_FINGERPRINT, description="The key's print."
    )


class ComposeSource(_Part):
    """Where docker-compose v1 is downloaded from."""

    url: Url = Field(
        default=sources.COMPOSE_URL, description="URL; {version} stands for the release."
    )
    sha256: dict[Version, Sha256] = Field(
        default_factory=lambda: dict(sources.COMPOSE_SHA256),
        description="Checksum of each release, added to the known ones.",
    )

    @field_validator("sha256")
    @classmethod
    def _merged(cls, value: dict[str, str]) -> dict[str, str]:
        return sources.COMPOSE_SHA256 | value


class Sources(_Part):
    """Every endpoint that labctl uses, so that each can be replaced."""

    vault: VaultSource = Field(default_factory=VaultSource, description="CentOS packages.")
    docker: DockerSource = Field(default_factory=DockerSource, description="Docker packages.")
    compose: ComposeSource = Field(default_factory=ComposeSource, description="docker-compose v1.")
    resolver: IPv4 = Field(default=sources.RESOLVER, description="DNS server to fall back to.")
    mirrors: Annotated[tuple[Mirror, ...], Loose] = Field(
        default=sources.MIRRORS, description="Candidates for docker.mirrors: auto."
    )
    hub_hosts: Annotated[tuple[Host, ...], Loose] = Field(
        default=sources.HUB_HOSTS, description="Hosts that a pull from Docker Hub speaks with."
    )


class Machine(_Part):
    """A machine that exists already and is reached over ssh."""

    name: Label = Field(description="Name of the node.")
    host: Host = Field(description="Host name or address to connect to.")
    port: int = Field(default=22, ge=1, le=65535, description="Port of its ssh server.")
    user: Annotated[str, Is(shapes.LOGIN)] | None = Field(default=None, description="Login user.")
    key: Text | None = Field(
        default=None, description="Private key file, relative to lab.yaml; ~ is your home."
    )
    jump: Annotated[str, Is(shapes.JUMP)] | None = Field(
        default=None, description="Host to jump through: user@host[:port]."
    )
    address: IPv4 | None = Field(
        default=None, description="Address inside the lab; default: host's."
    )


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


class LabSpec(_Part):
    """A lab that makes sense."""

    name: Label = Field(
        default="lab", description="Name of the lab; default: its folder's. VMs carry it."
    )
    nodes: Annotated[
        Annotated[int, Field(ge=1, le=50), Tag("(count)")]
        | Annotated[tuple[NodeSpec, ...], Loose, Field(min_length=1, max_length=50), Tag("(list)")],
        Discriminator(_count_or_list),
    ] = Field(default=2, description="How many nodes, or a list of them.")
    node_prefix: Annotated[str, Is(shapes.PREFIX)] = Field(
        default="docker-node", description="Counted nodes are named by it and their number."
    )
    provider: Provider | None = Field(
        default=None, description="Default: the one that is installed."
    )
    box: Annotated[Box, _named("name")] = Field(
        default_factory=Box, description="Vagrant box: its name, or a mapping."
    )
    memory: MiB = Field(default=1024, description="Memory of each node in MiB.")
    cpus: Cpus = Field(default=1, description="Virtual CPUs of each node.")
    network: Annotated[str, Is(shapes.NETWORK)] = Field(
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
    boot_timeout: int = Field(
        default=300, ge=1, le=86400, description="Seconds that a boot may take."
    )
    toolchain: Annotated[ToolchainSpec, _named("base")] = Field(
        default_factory=ToolchainSpec, description="Versions: a known set, or a mapping."
    )
    docker: DockerSpec = Field(default_factory=DockerSpec, description="The Docker engine.")
    sources: Sources = Field(default_factory=Sources, description="Where things come from.")
    playbooks: Annotated[tuple[Annotated[str, Is(shapes.PLAYBOOK)], ...], Loose] = Field(
        default=("repos", "hosts", "engine", "mirrors", "compose"),
        description="Playbooks, in the order of work.",
    )
    parallel: int = Field(
        default=8, ge=1, le=64, description="How many nodes are worked on at once."
    )
    machines: Annotated[tuple[Machine, ...], Loose, Field(min_length=1, max_length=50)] | None = (
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
                Node(m.name, m.address or (m.host if shapes.is_ipv4(m.host) else None), 0, 0)
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
        platform: str = sys.platform,
        networks_conf: Path = Path(addresses.NETWORKS_CONF),
    ) -> list[Problem]:
        """Return what `provider` on this host would refuse; empty if nothing.

        Parameters:
            provider: "virtualbox" or "libvirt".
            platform: of the host, as `sys.platform` has it.
            networks_conf: where VirtualBox reads the networks it allows.
        """
        return [
            Problem(faults.where(fault.path), fault.context["message"], hint=fault.context["hint"])
            for fault in self.provider_faults(provider, platform, networks_conf)
        ]

    def provider_faults(
        self,
        provider: str,
        platform: str = sys.platform,
        networks_conf: Path = Path(addresses.NETWORKS_CONF),
    ) -> list[Fault]:
        """As `provider_problems`, with paths that a file's lines can be found by."""
        if not self.uses_vagrant:
            return []
        found = speccheck.for_provider(self, provider)
        if provider == "virtualbox":
            conf = networks_conf.read_text("utf-8") if networks_conf.is_file() else None
            network = ipaddress.IPv4Network(self.network)
            problem = virtualbox_network_problem(network, platform, conf)
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
        found = speccheck.check(self)
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
        ]


def keys_at(path: faults.Path) -> tuple[str, ...]:
    """Return the keys that lab.yaml may have in the mapping at `path`; empty if any or none may."""
    if path[:2] == ("docker", "daemon"):
        return tuple(daemon.KEYS) if len(path) == 2 else ()
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
