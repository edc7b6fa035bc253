"""The Docker engine, at the versions of the lab's toolchain, from Docker's signed repository."""

from collections.abc import Iterator

from labctl.playbook import (
    CONFLICTING,
    DAEMON_JSON,
    OWN,
    EnginePreflight,
    GroupMember,
    KernelSetting,
    Package,
    Packages,
    Play,
    Plays,
    Preflight,
    RepositorySection,
    RunningEngine,
    Service,
    SigningKey,
    repository_file,
)

from . import daemon, networks
from .surroundings import Surroundings


def play(play: Play) -> Plays:
    docker, versions = play.lab.sources.docker, play.lab.resolved_toolchain
    key = SigningKey("labctl-docker", docker.key, docker.fingerprint)
    yield key
    yield repository_file(
        "labctl-docker",
        (RepositorySection(f"{OWN}docker-ce", "Docker CE Stable", docker.baseurl),),
        key,
    )
    # Asked here, it is measured together with the change before it.
    daemon.wanted(play)
    # One transaction: it comes as a whole or not at all, and yum starts but once. docker-ce-selinux
    # is not among them: docker-ce obsoletes it.
    packages = [
        Package("yum-utils"),
        Package("device-mapper-persistent-data"),
        Package("lvm2"),
        Package("containerd.io", versions.containerd),
        Package("docker-ce", versions.docker),
        Package("docker-ce-cli", versions.docker_cli),
    ]
    if versions.buildx:
        packages.append(Package("docker-buildx-plugin", versions.buildx))
    yield Packages(
        tuple(packages),
        name="engine",
        repositories=play.repositories,
        replaced=CONFLICTING if play.lab.docker.replace_packages else (),
        kept=(DAEMON_JSON,),
    )
    yield from daemon.settings(play)
    yield Service("docker")
    yield RunningEngine()
    if play.lab.docker.daemon.get("ip-forward", True):
        yield KernelSetting("net.ipv4.ip_forward", "1")
    for user in (play.user, *play.lab.docker.users):
        if user != "root":
            yield GroupMember(user, "docker")


def preflight(play: Play) -> Iterator[Preflight]:
    """Compare the engine that is there with what this playbook does to it."""
    versions, docker = play.lab.resolved_toolchain, play.lab.docker
    keys = daemon.known(play)
    mirrors = keys.pop("registry-mirrors", [])
    if "mirrors" in play.playbooks:
        measured = play.known("mirrors.live") or ["auto"]
        mirrors = [*mirrors, *(measured if docker.mirrors == "auto" else docker.mirrors)]
    yield EnginePreflight(
        {
            **keys,
            "registry-mirrors": mirrors,
            "insecure-registries": list(docker.insecure_registries),
        },
        versions.docker,
        versions.engine_major,
        play.lab.docker.adopt,
        play.lab.docker.replace_packages,
    )
    own = bool(networks.OWN_KEYS & docker.daemon.keys())
    yield Surroundings(tuple(play.addresses.values()), own)
