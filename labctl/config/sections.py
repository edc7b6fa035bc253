"""The mappings inside lab.yaml.

Only this package imports pydantic. The descriptions and examples are for people: they are part
of the JSON Schema, and so of the tooltips of editors and the documentation's page on lab.yaml.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag, field_validator

from labctl.config import endpoints, patterns, toolchains
from labctl.config.faults import Refused
from labctl.config.machine_options import MachineOptions
from labctl.config.toolchains import TOOLCHAINS
from labctl.config.values import (
    BoxUrl,
    Cpus,
    Fingerprint,
    Host,
    HostPath,
    IPv4,
    Is,
    Label,
    Loose,
    MiB,
    Mirror,
    Part,
    Port,
    Sha256,
    Url,
    Version,
    auto_or_list,
    named,
)
from labctl.messages import msg

SyncType = Literal["auto", "rsync", "virtualbox", "nfs", "sshfs", "9p", "disabled"]


class Box(Part):
    """The Vagrant box that the nodes are created from."""

    name: Annotated[str, Is(patterns.BOX_NAME)] = Field(
        default="centos/7", description="Name of the box.", examples=["centos/7"]
    )
    version: Version | None = Field(
        default=None,
        description='Version. Default: "2004.01" for centos/7 without a url, else the newest.',
        examples=["2004.01"],
    )
    url: BoxUrl | None = Field(
        default=None,
        description="Where to get the box, if not from Vagrant's public catalog: a URL, or a file "
        "of this computer, relative to lab.yaml.",
        examples=["https://mirror.example/CentOS-7-x86_64-Vagrant-2004_01.VirtualBox.box"],
    )
    sha256: Sha256 | None = Field(
        default=None,
        description="SHA-256 of the file at url.",
        examples=["7e83943defcb5c4e9bebbe4184cce4585c82805a15e936b01b1e893b63dee2c5"],
    )

    @property
    def is_file(self) -> bool:
        """Whether the url names a box file, and not JSON metadata with versions."""
        path = (self.url or "").partition("?")[0].partition("#")[0]
        return path.endswith((".box", ".tar", ".tar.gz", ".tgz", ".zip"))

    @property
    def pinned_version(self) -> str | None:
        """The version to request. To Vagrant, a box file behind a URL has none."""
        if self.version is None and self.url is None and self.name == "centos/7":
            return "2004.01"
        return self.version


class NodeSpec(MachineOptions):
    """A node that is named in lab.yaml."""

    name: Label = Field(description="Host name of the node.", examples=["manager"])
    address: IPv4 | None = Field(
        default=None,
        description="Address in the lab's network. Default: 10 plus the position in the list.",
        examples=["192.168.56.20"],
    )
    memory: MiB | None = Field(
        default=None, description="Memory in MiB. Default: the lab's.", examples=[2048]
    )
    cpus: Cpus | None = Field(
        default=None, description="Virtual CPUs. Default: the lab's.", examples=[2]
    )
    box: Annotated[Box, named(Box, "name")] | None = Field(
        default=None,
        description="Vagrant box of this node: its name, or a mapping. Default: the lab's.",
        examples=["generic/centos7"],
    )


class SyncedFolder(Part):
    """A folder of this computer that the nodes share."""

    host: HostPath = Field(
        description="Folder on this computer, relative to lab.yaml.", examples=["labs"]
    )
    guest: Annotated[str, Is(patterns.GUEST_PATH), Is(patterns.TEXT)] = Field(
        description="Absolute path on the node.", examples=["/srv/labs"]
    )
    type: SyncType = Field(
        default="auto",
        description="How the folder is shared; auto chooses what works with box and provider.",
        examples=["rsync"],
    )
    options: dict[str, Any] = Field(
        default_factory=dict,
        description="Vagrant's options for synced folders of this type.",
        examples=[{"rsync__exclude": [".git/"]}],
    )


class ToolchainSpec(Part):
    """A known set of versions, with single members changed. null leaves an optional member out."""

    base: str = Field(
        default=toolchains.DEFAULT,
        description="Set of versions to start from: course or latest-el7.",
        examples=["latest-el7"],
    )
    containerd: Version | None = Field(
        default=None,
        description="Version and release of containerd.io.",
        examples=["1.2.13-3.2.el7"],
    )
    docker: Version | None = Field(
        default=None, description="Version and release of docker-ce.", examples=["19.03.15-3.el7"]
    )
    docker_cli: Version | None = Field(
        default=None,
        description="Version and release of docker-ce-cli.",
        examples=["19.03.15-3.el7"],
    )
    compose: Version | None = Field(
        default=None,
        description="Release of docker-compose 1.x; null installs none.",
        examples=["1.29.2"],
    )
    compose_plugin: Version | None = Field(
        default=None,
        description="Version and release of docker-compose-plugin; null installs none.",
        examples=["2.26.1-1.el7"],
    )
    buildx: Version | None = Field(
        default=None,
        description="Version and release of docker-buildx-plugin; null installs none.",
        examples=["0.14.1-1.el7"],
    )

    @field_validator("base")
    @classmethod
    def _is_known(cls, value: str) -> str:
        if value not in TOOLCHAINS:
            known = ", ".join(TOOLCHAINS)
            raise Refused(
                msg("unknown toolchain {value}", value=patterns.shown(value)),
                msg("available: {known}", known=known),
            )
        return value

    @field_validator("containerd", "docker", "docker_cli")
    @classmethod
    def _is_needed(cls, value: str | None) -> str:
        if value is None:
            raise Refused(
                "must be a version, is empty", "leave the key out to use the toolchain's version"
            )
        return value


class DockerSpec(Part):
    """How the Docker engine of the nodes is set up."""

    users: Annotated[tuple[Annotated[str, Is(patterns.LINUX_USER)], ...], Loose] = Field(
        default=(),
        description="Members of the docker group besides the login user.",
        examples=[["anna"]],
    )
    mirrors: Annotated[
        Annotated[Literal["auto"], Tag("(auto)")]
        | Annotated[tuple[Mirror, ...], Loose, Tag("(list)")],
        Discriminator(auto_or_list),
    ] = Field(
        default="auto",
        description="Mirrors of Docker Hub: a list, or auto, which probes sources.mirrors from "
        "each node and keeps those that answer.",
        examples=[["https://mirror.example"]],
    )
    insecure_registries: Annotated[tuple[Annotated[str, Is(patterns.REGISTRY)], ...], Loose] = (
        Field(
            default=(),
            description="Registries that the engine contacts without TLS.",
            examples=[["registry.example:5000"]],
        )
    )
    daemon: dict[str, Any] = Field(
        default_factory=dict,
        description="Other keys of daemon.json, as in Docker's documentation of dockerd.",
        examples=[{"log-driver": "json-file", "log-opts": {"max-size": "10m"}}],
    )
    adopt: bool = Field(
        default=False,
        description="Let labctl's settings win on machines that already have a Docker engine, even "
        "if containers, images and volumes go out of sight.",
        examples=[True],
    )
    replace_packages: bool = Field(
        default=False,
        description="Remove packages that conflict with docker-ce, such as docker 1.13 or podman.",
        examples=[True],
    )


class VaultSource(Part):
    """CentOS 7's own packages, which moved to the vault in June 2024."""

    baseurl: Url = Field(
        default=endpoints.VAULT_BASEURL,
        description="URL of the folder that contains os/ and updates/.",
        examples=["https://mirrors.cloud.tencent.com/centos-vault/7.9.2009"],
    )
    key: Url = Field(
        default=endpoints.VAULT_KEY,
        description="URL of the signing key, as the node sees it.",
        examples=["https://mirror.example/RPM-GPG-KEY-CentOS-7"],
    )
    fingerprint: Fingerprint = Field(
        default=endpoints.VAULT_FINGERPRINT,
        description="Fingerprint of the signing key.",
        examples=["6341 AB27 53D7 8A78 A7C2 7BB1 24C6 A8A7 F4A8 0EB5"],
    )


class DockerSource(Part):
    """Docker's package repository."""

    baseurl: Url = Field(
        default=endpoints.DOCKER_BASEURL,
        description="URL of the folder that contains repodata/.",
        examples=["https://mirror.example/docker-ce/linux/centos/7/$basearch/stable"],
    )
    key: Url = Field(
        default=endpoints.DOCKER_KEY,
        description="URL of the signing key.",
        examples=["https://mirror.example/docker-ce/linux/centos/gpg"],
    )
    fingerprint: Fingerprint = Field(
        default=endpoints.DOCKER_FINGERPRINT,
        description="Fingerprint of the signing key.",
        examples=["060A 61C5 1B55 8A7F 742B 77AA C52F EB6B 621E 9F35"],
    )


class ComposeSource(Part):
    """Where docker-compose v1 is downloaded from."""

    url: Url = Field(
        default=endpoints.COMPOSE_URL,
        description="URL of the program; {version} stands for the release.",
        examples=["https://mirror.example/compose/{version}/docker-compose-Linux-x86_64"],
    )
    sha256: dict[Version, Sha256] = Field(
        default_factory=lambda: dict(endpoints.COMPOSE_SHA256),
        description="SHA-256 of each release, in addition to the known ones.",
        examples=[{"1.28.6": "e1b0c4e5" * 8}],
    )

    @field_validator("sha256")
    @classmethod
    def _merged(cls, value: dict[str, str]) -> dict[str, str]:
        return endpoints.COMPOSE_SHA256 | value


class Sources(Part):
    """Every endpoint that labctl uses, so that each can be replaced."""

    vault: VaultSource = Field(
        default_factory=VaultSource,
        description="CentOS 7's packages.",
        examples=[{"baseurl": "https://mirrors.cloud.tencent.com/centos-vault/7.9.2009"}],
    )
    docker: DockerSource = Field(
        default_factory=DockerSource,
        description="Docker's packages.",
        examples=[{"key": "https://mirror.example/docker-ce/linux/centos/gpg"}],
    )
    compose: ComposeSource = Field(
        default_factory=ComposeSource,
        description="The program docker-compose 1.x.",
        examples=[{"url": "https://mirror.example/{version}/docker-compose-Linux-x86_64"}],
    )
    resolver: IPv4 = Field(
        default=endpoints.RESOLVER,
        description="DNS server that nodes fall back to.",
        examples=["10.0.0.53"],
    )
    mirrors: Annotated[tuple[Mirror, ...], Loose] = Field(
        default=endpoints.MIRRORS,
        description="Mirrors that docker.mirrors: auto probes.",
        examples=[["https://mirror.example"]],
    )
    hub_hosts: Annotated[tuple[Host, ...], Loose] = Field(
        default=endpoints.HUB_HOSTS,
        description="Hosts that a pull from Docker Hub contacts; their names must resolve.",
        examples=[["registry-1.docker.io", "auth.docker.io"]],
    )


class Machine(Part):
    """A machine that exists already and is reached over ssh."""

    name: Label = Field(description="Name of the node.", examples=["pc1"])
    host: Host = Field(description="Host name or address to connect to.", examples=["10.20.0.11"])
    port: Port = Field(default=22, description="Port of its ssh server.", examples=[2222])
    user: Annotated[str, Is(patterns.LOGIN)] | None = Field(
        default=None, description="Login user. Default: your own name.", examples=["teacher"]
    )
    key: Annotated[HostPath, Is(patterns.SSH_PATH)] | None = Field(
        default=None,
        description="Private key file, relative to lab.yaml; ~ is your home folder. Default: the "
        "agent's keys and your usual ones.",
        examples=["~/.ssh/classroom"],
    )
    jump: Annotated[str, Is(patterns.JUMP)] | None = Field(
        default=None,
        description="Host to connect through, as user@host[:port].",
        examples=["teacher@gateway"],
    )
    address: IPv4 | None = Field(
        default=None,
        description="Address that the other nodes use. Default: host, if it is an address.",
        examples=["10.20.0.11"],
    )
