"""The web sites' files: RPM repositories laid out as the real ones, and compose's releases."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from tests.testbed.buildroot import Buildroot

COMPOSE_VERSIONS = ("1.25.5", "1.29.2")
_DOCKER_REPO = """\
[docker-ce-stable]
name=Docker CE Stable - $basearch
baseurl=https://download.docker.com/linux/centos/$releasever/$basearch/stable
enabled=1
gpgcheck=1
gpgkey=https://download.docker.com/linux/centos/gpg

[docker-ce-test]
name=Docker CE Test - $basearch
baseurl=https://download.docker.com/linux/centos/$releasever/$basearch/test
enabled=0
gpgcheck=1
gpgkey=https://download.docker.com/linux/centos/gpg
"""


def build(target: Path, finished: Mapping[str, Path]) -> None:
    """One folder per stand-in host below `target`."""
    rpms, keys = finished["rpms"], finished["keys"]
    buildroot = Buildroot.of(finished)
    docker = target / "download.docker.com/linux/centos"
    _index(buildroot, rpms / "docker", docker / "7/x86_64/stable")
    (docker / "gpg").write_bytes((keys / "docker.public").read_bytes())
    (docker / "docker-ce.repo").write_text(_DOCKER_REPO)

    vault = target / "vault.centos.org"
    for name in ("os", "updates", "extras"):
        _index(buildroot, rpms / name, vault / f"centos/7.9.2009/{name}/x86_64")
    (vault / "centos/RPM-GPG-KEY-CentOS-7").write_bytes((keys / "centos.public").read_bytes())
    # The vault answers with and without the leading /centos.
    (vault / "7.9.2009").symlink_to("centos/7.9.2009")
    (vault / "RPM-GPG-KEY-CentOS-7").symlink_to("centos/RPM-GPG-KEY-CentOS-7")

    for version in COMPOSE_VERSIONS:
        release = target / f"github.com/docker/compose/releases/download/{version}"
        release.mkdir(parents=True)
        program = finished["compose"] / f"docker-compose-{version}"
        os.link(program, release / "docker-compose-Linux-x86_64")


def _index(buildroot: Buildroot, packages: Path, folder: Path) -> None:
    (folder / "Packages").mkdir(parents=True)
    for package in packages.iterdir():
        os.link(package, folder / "Packages" / package.name)
    buildroot.run("createrepo_c", "--quiet", "--general-compress-type=gz", folder)
