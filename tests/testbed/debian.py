"""Debian 12, whatever Debian the host is: nothing of the host's reaches a node.

Programs, libraries and file systems come from two stages, both unpacked by mmdebstrap: `base`
becomes the nodes' root (base.py); `buildroot` is there to build from and with (buildroot.py).
"""

from __future__ import annotations

from pathlib import Path

from tests.testbed.shell import run

SUITE = "bookworm"
PYTHON = "3.11"


def unpack(target: Path, packages: str, *options: str) -> None:
    """Unpack Debian's `packages` and what they depend on into `target`; none is configured."""
    mmdebstrap(SUITE, target, packages, "--variant=extract", *options)


def mmdebstrap(suite: str, target: Path, packages: str, *options: str) -> None:
    """Make a root file system of a release of Debian; whatever ends this leaves no mount behind."""
    run("unshare", "--mount", "--propagation=private",
        "mmdebstrap", "--mode=root", "--aptopt=APT::Install-Recommends false",
        "--aptopt=Acquire::Languages none", *options, f"--include={','.join(packages.split())}",
        suite, target)  # fmt: skip
