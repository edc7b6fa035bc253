"""Debian 12, whatever Debian the host is: nothing of the host's reaches a node.

Programs, libraries and file systems come from two stages: `base` is installed and becomes the
nodes' root (base.py); `buildroot` is unpacked, to build from and with (buildroot.py).
"""

from __future__ import annotations

from pathlib import Path

from tests.testbed.shell import run

SUITE = "bookworm"
PYTHON = "3.11"


def mmdebstrap(target: Path, packages: str, *options: str) -> None:
    """Put Debian's `packages` and what they depend on into `target`."""
    run("mmdebstrap", "--mode=root", "--aptopt=APT::Install-Recommends false",
        "--aptopt=Acquire::Languages none", *options, f"--include={','.join(packages.split())}",
        SUITE, target)  # fmt: skip
