"""The Docker engine, at the versions of the lab's toolchain, from Docker's signed repository."""

from labctl.playbook import (
    GroupMember,
    Package,
    Packages,
    Play,
    Plays,
    RepositorySection,
    Service,
    SigningKey,
    SupportedDaemonKeys,
    repository_file,
)


def play(play: Play) -> Plays:
    docker, versions = play.lab.sources.docker, play.lab.resolved_toolchain
    key = SigningKey("labctl-docker", docker.key, docker.fingerprint)
    yield key
    yield repository_file(
        "docker-ce",
        (RepositorySection("docker-ce-stable", "Docker CE Stable", docker.baseurl),),
        key,
    )
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
    yield Packages(tuple(packages), name="engine")
    # The playbook mirrors, which writes daemon.json, comes behind an engine that runs.
    yield SupportedDaemonKeys(versions.engine_major, written="mirrors" in play.playbooks)
    yield Service("docker")
    for user in (play.user, *play.lab.docker.users):
        if user != "root":
            yield GroupMember(user, "docker")
