"""The sets of Docker packages that are known to work together on EL7.

Docker's EL7 repository holds years of releases, and yum would take the newest of each. The course
is written for one set, and the last EL7 set is the other that makes sense; both are data here, so
that a lab names one and changes single members of it.

The versions come from the course's own pins and from Docker's EL7 repository, which got no new
packages after June 2024.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

# Docker's packages carry epochs in their NEVRA; yum wants them where a version is named in full.
EPOCHS = {"docker-ce": "3", "docker-ce-cli": "1", "containerd.io": "0"}


@dataclass(frozen=True, slots=True)
class Toolchain:
    """One set of versions, each "VERSION-RELEASE" or "VERSION" without an epoch.

    `compose` is a release of docker-compose v1 (one file, downloaded); `compose_plugin` and
    `buildx` are packages. None means that it is not installed.
    """

    containerd: str
    docker: str
    docker_cli: str
    compose: str | None = None
    compose_plugin: str | None = None
    buildx: str | None = None

    @property
    def engine_major(self) -> int:
        """The engine's major version (19, 26), 0 where the version does not begin with one."""
        found = re.match(r"[0-9]+", self.docker)
        return int(found.group()) if found else 0


TOOLCHAINS = {
    "course": Toolchain(
        containerd="1.2.13-3.1.el7",
        docker="19.03.9-3.el7",
        # The cli's .8 beside the engine's .9 is what the course prints; rpm asks for no version.
        docker_cli="19.03.8-3.el7",
        compose="1.25.5",
    ),
    "latest-el7": Toolchain(
        containerd="1.6.33-3.1.el7",
        docker="26.1.4-1.el7",
        docker_cli="26.1.4-1.el7",
        compose_plugin="2.27.1-1.el7",
        buildx="0.14.1-1.el7",
    ),
}
DEFAULT = "course"
