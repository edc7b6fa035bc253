"""The mappings inside lab.yaml, and the types that their values have.

Only this package imports pydantic. The descriptions are for people: they end in the JSON Schema,
and so in the tooltips of editors.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    Strict,
    Tag,
    field_validator,
)
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from labctl.config import endpoints, patterns, toolchains
from labctl.config.faults import OWN
from labctl.config.toolchains import TOOLCHAINS

Provider = Literal["virtualbox", "libvirt"]
SyncType = Literal["auto", "rsync", "virtualbox", "nfs", "sshfs", "9p", "disabled"]


@dataclass(frozen=True, slots=True)
class Is:
    """Annotation that gives a string one of the shapes, with our sentence for what has it not."""

    shape: patterns.Pattern
    schema: str = ""
    """A pattern for editors, where one may write it in more ways than are kept."""

    def __get_pydantic_core_schema__(
        self, source: type[Any], handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        return core_schema.no_info_after_validator_function(self._check, handler(source))

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        found = handler(schema)
        # Editors use ECMAScript's expressions; ours say nothing that differs there. Where there are
        # two shapes, the first says more.
        found.setdefault("pattern", f"^({self.schema or self.shape.pattern})$")
        if self.shape.schema_format:
            found["format"] = self.shape.schema_format
        return found

    def _check(self, text: str) -> str:
        message = self.shape.problem(text)
        if message is not None:
            raise _own(message, self.shape.hint)
        return text


@dataclass(frozen=True, slots=True)
class Between:
    """Annotation that bounds a whole number, both ends included, and gives the reason."""

    low: int
    high: int
    reason: str = ""

    def __get_pydantic_core_schema__(
        self, source: type[Any], handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        return core_schema.no_info_after_validator_function(self._check, handler(source))

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        return {**handler(schema), "minimum": self.low, "maximum": self.high}

    def _check(self, number: int) -> int:
        if not self.low <= number <= self.high:
            raise _own(f"must be from {self.low} to {self.high}, is {number}", self.reason)
        return number


def _own(message: str, hint: str = "") -> PydanticCustomError:
    """Return the exception by which a validator says `message` in our own words."""
    return PydanticCustomError(OWN, "{message}", {"message": message, "hint": hint})


def _joined(value: object) -> object:
    """Take the blanks out of a fingerprint, in which gpg prints it, and write it in capitals."""
    return value.replace(" ", "").upper() if isinstance(value, str) else value


def _slashless(text: str) -> str:
    """Take a final slash away, behind which another path would be another one."""
    return text.rstrip("/")


def _lowered(value: object) -> object:
    return value.lower() if isinstance(value, str) else value


def named(model: type[BaseModel], key: str) -> BeforeValidator:
    """Let a mapping be given by the one value that matters: ``box: centos/7``."""
    return BeforeValidator(
        lambda value: {key: value} if isinstance(value, str | int | float) else value,
        json_schema_input_type=str | model,
    )


def count_or_list(value: object) -> str:
    return "(list)" if isinstance(value, list | tuple) else "(count)"


def auto_or_list(value: object) -> str:
    return "(list)" if isinstance(value, list | tuple) else "(auto)"


Label = Annotated[str, Is(patterns.LABEL)]
IPv4 = Annotated[str, Is(patterns.IPV4)]
Version = Annotated[str, Is(patterns.VERSION)]
Url = Annotated[str, Is(patterns.URL)]
Mirror = Annotated[str, Is(patterns.MIRROR), AfterValidator(_slashless)]
Host = Annotated[str, Is(patterns.HOST)]
Text = Annotated[str, Is(patterns.TEXT)]
Sha256 = Annotated[str, BeforeValidator(_lowered), Is(patterns.SHA256)]
Fingerprint = Annotated[
    str, BeforeValidator(_joined), Is(patterns.FINGERPRINT, schema="( *[0-9A-Fa-f]){40} *")
]
MiB = Annotated[int, Between(512, 1024 * 1024, "in MiB; CentOS 7 with an engine needs 512")]
Cpus = Annotated[int, Between(1, 64)]
Port = Annotated[int, Between(1, 65535)]
Seconds = Annotated[int, Between(1, 86400, "in seconds, at most a day")]
# YAML has lists only, and frozen models want tuples; the items stay strict.
Loose = Strict(False)


class Part(BaseModel):
    """Base of every mapping in lab.yaml: frozen, strict about types and about keys."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class NodeSpec(Part):
    """A node that is named in lab.yaml."""

    name: Label = Field(description="Host name of the node.")
    address: IPv4 | None = Field(
        default=None, description="Address; default: network + 10 + position."
    )
    memory: MiB | None = Field(default=None, description="Memory in MiB; default: the lab's.")
    cpus: Cpus | None = Field(default=None, description="Virtual CPUs; default: the lab's.")


class Box(Part):
    """The Vagrant box that the nodes are made from."""

    name: Annotated[str, Is(patterns.BOX_NAME)] = Field(
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


class SyncedFolder(Part):
    """A folder of the host that a node sees."""

    host: Text = Field(description="Folder on the host, relative to lab.yaml.")
    guest: Annotated[str, Is(patterns.GUEST_PATH), Is(patterns.TEXT)] = Field(
        description="Absolute path on the node."
    )
    type: SyncType = Field(
        default="auto", description="How it gets there; auto: what works for box and provider."
    )
    options: dict[str, Any] = Field(
        default_factory=dict, description="Options of Vagrant's synced_folder for that type."
    )


class ToolchainSpec(Part):
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
            raise _own(f"unknown toolchain {patterns.shown(value)}", f"known are {known}")
        return value

    @field_validator("containerd", "docker", "docker_cli")
    @classmethod
    def _is_needed(cls, value: str | None) -> str:
        if value is None:
            raise _own("must be a version, is empty", "leave the key out for the toolchain's own")
        return value


class DockerSpec(Part):
    """How the Docker engine of the nodes is set up."""

    users: Annotated[tuple[Annotated[str, Is(patterns.LINUX_USER)], ...], Loose] = Field(
        default=(), description="Members of the docker group besides the login user."
    )
    mirrors: Annotated[
        Annotated[Literal["auto"], Tag("(auto)")]
        | Annotated[tuple[Mirror, ...], Loose, Tag("(list)")],
        Discriminator(auto_or_list),
    ] = Field(
        default="auto", description="Mirrors of Docker Hub: auto (probe sources.mirrors) or a list."
    )
    insecure_registries: Annotated[tuple[Annotated[str, Is(patterns.REGISTRY)], ...], Loose] = (
        Field(default=(), description="Registries that are spoken to without TLS.")
    )
    daemon: dict[str, Any] = Field(
        default_factory=dict, description="Further keys of daemon.json, as dockerd documents them."
    )


class VaultSource(Part):
    """CentOS 7's own packages, which live in the vault since June 2024."""

    baseurl: Url = Field(
        default=endpoints.VAULT_BASEURL, description="Folder that holds os/ and updates/."
    )
    key: Url = Field(
        default=endpoints.VAULT_KEY, description="URL of the signing key, as a node sees it."
    )
    fingerprint: Fingerprint = Field(
        default=endpoints.VAULT_FINGERPRINT, description="The key's print."
    )


class DockerSource(Part):
    """Docker's package repository."""

    baseurl: Url = Field(
        default=endpoints.DOCKER_BASEURL, description="Folder that holds repodata/."
    )
    key: Url = Field(default=endpoints.DOCKER_KEY, description="URL of the signing key.")
    fingerprint: Fingerprint = Field(
        default=endpoints.DOCKER_FINGERPRINT, description="The key's print."
    )


class ComposeSource(Part):
    """Where docker-compose v1 is downloaded from."""

    url: Url = Field(
        default=endpoints.COMPOSE_URL, description="URL; {version} stands for the release."
    )
    sha256: dict[Version, Sha256] = Field(
        default_factory=lambda: dict(endpoints.COMPOSE_SHA256),
        description="Checksum of each release, added to the known ones.",
    )

    @field_validator("sha256")
    @classmethod
    def _merged(cls, value: dict[str, str]) -> dict[str, str]:
        return endpoints.COMPOSE_SHA256 | value


class Sources(Part):
    """Every endpoint that labctl uses, so that each can be replaced."""

    vault: VaultSource = Field(default_factory=VaultSource, description="CentOS packages.")
    docker: DockerSource = Field(default_factory=DockerSource, description="Docker packages.")
    compose: ComposeSource = Field(default_factory=ComposeSource, description="docker-compose v1.")
    resolver: IPv4 = Field(default=endpoints.RESOLVER, description="DNS server to fall back to.")
    mirrors: Annotated[tuple[Mirror, ...], Loose] = Field(
        default=endpoints.MIRRORS, description="Candidates for docker.mirrors: auto."
    )
    hub_hosts: Annotated[tuple[Host, ...], Loose] = Field(
        default=endpoints.HUB_HOSTS, description="Hosts that a pull from Docker Hub speaks with."
    )


class Machine(Part):
    """A machine that exists already and is reached over ssh."""

    name: Label = Field(description="Name of the node.")
    host: Host = Field(description="Host name or address to connect to.")
    port: Port = Field(default=22, description="Port of its ssh server.")
    user: Annotated[str, Is(patterns.LOGIN)] | None = Field(default=None, description="Login user.")
    key: Text | None = Field(
        default=None, description="Private key file, relative to lab.yaml; ~ is your home."
    )
    jump: Annotated[str, Is(patterns.JUMP)] | None = Field(
        default=None, description="Host to jump through: user@host[:port]."
    )
    address: IPv4 | None = Field(
        default=None, description="Address inside the lab; default: host's."
    )
