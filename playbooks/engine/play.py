"""The Docker engine, at the versions of the lab's toolchain, from Docker's signed repository."""

from labctl.playbook import (
    Member,
    Package,
    Packages,
    Play,
    Plays,
    Section,
    Service,
    SigningKey,
    repository_file,
)


def play(play: Play) -> Plays:
    docker, versions = play.lab.sources.docker, play.lab.resolved_toolchain
    key = SigningKey("labctl-docker", docker.key, docker.fingerprint)
    yield key
    yield repository_file(
        "docker-ce", (Section("docker-ce-stable", "Docker CE Stable", docker.baseurl),), key
    )
    # docker-ce-selinux is not among them: docker-ce obsoletes it.
    prerequisites = ("yum-utils", "device-mapper-persistent-data", "lvm2")
    yield Packages(tuple(Package(name) for name in prerequisites))
    engine = [
        Package("containerd.io", versions.containerd),
        Package("docker-ce", versions.docker),
        Package("docker-ce-cli", versions.docker_cli),
    ]
    if versions.buildx:
        engine.append(Package("docker-buildx-plugin", versions.buildx))
    yield Packages(tuple(engine))
    yield Service("docker")
    for user in (play.user, *play.lab.docker.users):
        if user != "root":
            yield Member(user, "docker")
