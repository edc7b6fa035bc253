"""The nodes' root file system: Debian in the shape of CentOS 7 (see el7/ and the README)."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from pathlib import Path

from tests.testbed.shell import run

DATA = Path(__file__).with_name("el7")


def build(target: Path, finished: Mapping[str, Path]) -> None:
    """`target`/root: the base, customized; lower layer of nodes, and what the box is made of."""
    root = target / "root"
    run("cp", "-a", finished["base"] / "root", root)
    inputs = target / "inputs"
    inputs.mkdir()
    (inputs / "files").symlink_to(DATA / "files")
    (inputs / "seed").symlink_to(finished["seeds"])
    (inputs / "initrd-init").symlink_to(DATA / "initrd-init")
    (inputs / "busybox").symlink_to(finished["buildroot"] / "root/bin/busybox")
    for name, file in (("ca.crt", "ca.crt"), ("login.pub", "login.pub")):
        (inputs / name).symlink_to(finished["keys"] / file)
    # In a mount namespace of its own, so that an interrupted build leaves no mount behind.
    script = 'mount -t proc proc "$1/proc" && mount --rbind /dev "$1/dev" && exec "$2" "$1" "$3"'
    run("unshare", "--mount", "--propagation=private", "sh", "-c", script, "sh",
        root, DATA / "customize.sh", inputs)  # fmt: skip
    subprocess.run(["rm", "-rf", inputs], check=True)
