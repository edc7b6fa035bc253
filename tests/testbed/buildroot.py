"""The buildroot: what nodes and sites are made of, and the tools that make them.

Its programs run as they were unpacked: none of their packages has to be configured.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.testbed.debian import PYTHON, unpack
from tests.testbed.errors import TestbedError
from tests.testbed.shell import run

# What the stand-in packages and images are made of.
_PAYLOAD = """
docker.io containerd runc tini etcd-server etcd-client bind9-dnsutils bind9-host busybox-static bash
nginx redis-server docker-compose docker-registry stress cloud-guest-utils
"""
# What makes them, and what these tools want of a system.
_TOOLS = f"""
base-passwd binutils coreutils createrepo-c dash e2fsprogs extlinux fdisk findutils gpg gpg-agent
grep libc-bin libpython{PYTHON} mount openssh-client openssl rpm sed skopeo syslinux-common tar
"""
_ENVIRONMENT = {
    "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
    "HOME": "/root",
    "LANG": "C.UTF-8",
}
# In a mount namespace of its own, so that whatever ends it leaves no mount behind.
_INSIDE = """\
root=$1 shared=$2 folder=$3
shift 3
mkdir -p "$root$shared" && mount --bind "$shared" "$root$shared" &&
  mount -t proc proc "$root/proc" && mount --rbind /dev "$root/dev" &&
  exec chroot "$root" env -i -C "$folder" "$@"
"""


@dataclass(frozen=True)
class Buildroot:
    """The unpacked Debian, to run programs in. Files of the cache have their usual paths there."""

    root: Path

    @classmethod
    def of(cls, finished: Mapping[str, Path]) -> Buildroot:
        """The one among the finished stages."""
        return cls(finished["buildroot"] / "root")

    def run(
        self,
        *command: str | Path,
        cwd: Path = Path("/"),
        env: Mapping[str, str] | None = None,
        stdin: str | None = None,
    ) -> str:
        """Standard output of `command`; nothing of this process's environment is passed on."""
        variables = [f"{key}={value}" for key, value in {**_ENVIRONMENT, **(env or {})}.items()]
        cache = self.root.parents[2]
        return run("unshare", "--mount", "--propagation=private", "sh", "-c", _INSIDE,
                   command[0], self.root, cache, cwd, *variables, *command,
                   stdin=stdin)  # fmt: skip

    def libraries(self, program: str) -> list[tuple[Path, str]]:
        """(file, name) of each shared library that `program` in it loads."""
        loader = "/lib64/ld-linux-x86-64.so.2"
        place = f"/{program}"
        dynamic = subprocess.run(
            ["chroot", self.root, loader, "--verify", place], check=False, capture_output=True
        )
        if dynamic.returncode:
            return []
        found = []
        for line in run("chroot", self.root, loader, "--list", place).splitlines():
            if "not found" in line:
                raise TestbedError(f"{program} lacks a library: {line.strip()}")
            path = next((word for word in line.split() if word.startswith("/")), None)
            if path:
                found.append((self.file(path), Path(path).name))
        return found

    def file(self, path: str) -> Path:
        """The real file at `path` in it. A link's goal is looked for in it, too."""
        place = run("chroot", self.root, "realpath", "--canonicalize-existing", f"/{path}").strip()
        return self.root / place.lstrip("/")


def build(target: Path, _finished: Mapping[str, Path]) -> None:
    """Download _PAYLOAD, _TOOLS and all that they depend on, and unpack it into `target`/root."""
    root = target / "root"
    unpack(root, _PAYLOAD + _TOOLS)
    for name in ("passwd", "group"):
        shutil.copyfile(root / f"usr/share/base-passwd/{name}.master", root / "etc" / name)
    for folder in ("root", "proc", "dev", "mnt"):
        (root / folder).mkdir(exist_ok=True)
    for folder in ("tmp", "var/tmp"):
        (root / folder).mkdir(parents=True, exist_ok=True)
        (root / folder).chmod(0o1777)
    run("chroot", root, "/sbin/ldconfig")
