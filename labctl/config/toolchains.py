"""The sets of Docker packages that are known to work together on EL7.

Docker's EL7 repository holds years of releases, and yum would take the newest of each. The course
is written for one set; the other is the last for EL7. A lab names one and may change single
versions.

The versions come from the course's own pins and from Docker's EL7 repository, which got no new
packages after June 2024.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

# Docker's packages carry epochs in their NEVRA; yum requires them in a full version.
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
        """The engine's major version (19, 26), 0 if the version does not begin with one."""
        found = re.match(r"[0-9]+", self.docker)
        return int(found.group()) if found else 0


TOOLCHAINS = {
    "course": Toolchain(
        containerd="1.2.13-3.1.el7",
        docker="19.03.9-3.el7",
        # The course prints .8 for the CLI and .9 for the engine; rpm accepts the difference.
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
