"""The engine's packages, installed once: a layer for nodes of tests that are not about installing.

The packages are those that labctl's playbook `engine` asks for, put in by the guest's own yum.
Nothing is enabled, started or configured. labctl still does that, and finds the packages in place.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import IO

from tests.testbed import stages
from tests.testbed.cache import Cache, Stage
from tests.testbed.shell import run

_PACKAGES = (
    "yum-utils",
    "device-mapper-persistent-data",
    "lvm2",
    "containerd.io-1.6.20-3.1.el7",
    "docker-ce-20.10.24-3.el7",
    "docker-ce-cli-20.10.24-3.el7",
)
# Arguments: this stage's folder, the guest's root, the sites' files, and the packages. The mounts
# are in a namespace of their own, so that an interrupted build leaves none behind.
_INSTALL = """\
set -e
target=$1 guest=$2 sites=$3
shift 3
mount -t overlay overlay \\
  -o "lowerdir=$guest,upperdir=$target/upper,workdir=$target/work" "$target/root"
mount -t proc proc "$target/root/proc"
mount --rbind /dev "$target/root/dev"
mount --bind "$sites" "$target/root/mnt"
vault=file:///mnt/vault.centos.org/centos/7.9.2009
chroot "$target/root" dnf --assumeyes --quiet --setopt=reposdir=/none --nogpgcheck \\
  --repofrompath="os,$vault/os/x86_64" --repofrompath="updates,$vault/updates/x86_64" \\
  --repofrompath="extras,$vault/extras/x86_64" \\
  --repofrompath=docker,file:///mnt/download.docker.com/linux/centos/7/x86_64/stable \\
  install "$@"
rm -rf "$target/root/var/cache/dnf" "$target/root/var/log"/dnf* "$target/root/var/lib/docker"
"""


def build(target: Path, finished: Mapping[str, Path]) -> None:
    """`target`/upper: what the packages add to the guest's root, as a layer of an overlay."""
    for name in ("upper", "work", "root"):
        (target / name).mkdir()
    run("unshare", "--mount", "--propagation=private", "sh", "-c", _INSTALL, "sh",
        target, finished["guest"] / "root", finished["repository"], *_PACKAGES)  # fmt: skip
    run("rm", "-rf", target / "work", target / "root")


STAGE = Stage("engine", build, (Path(__file__),), ("guest", "repository"))
_held: list[IO[str]] = []


def layer() -> Path:
    """The layer in the testbed's cache, built by the first who asks, kept for this process."""
    cache = Cache((*stages.STAGES, STAGE))
    cache.build()
    _held.extend(cache.hold())
    return cache.folder(STAGE.name) / "upper"
