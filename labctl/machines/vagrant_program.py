"""The `vagrant` program: where it is, its environment, and which machines it created."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from labctl.errors import VagrantMissing


def find_vagrant() -> str:
    """Return the path of the `vagrant` executable.

    Raises:
        VagrantMissing: it is not on PATH.
    """
    path = shutil.which("vagrant")
    if path is None:
        raise VagrantMissing(
            "vagrant is not on PATH",
            hint="install Vagrant (https://developer.hashicorp.com/vagrant/install), "
            "or name machines that exist already under 'machines:' in lab.yaml",
        )
    return path


def made(root: Path) -> frozenset[str]:
    """Return the names of the machines that Vagrant created in `root`.

    Vagrant keeps the provider's id of a machine in a file (lib/vagrant/machine.rb) until it notices
    that the machine is gone, even if the Vagrantfile no longer defines it.
    """
    return frozenset(path.parts[-3] for path in root.glob(".vagrant/machines/*/*/id"))


_ELSEWHERE = {"VAGRANT_CWD", "VAGRANT_DOTFILE_PATH", "VAGRANT_VAGRANTFILE"}
"""Variables that make Vagrant read another Vagrantfile or keep its state elsewhere."""


def environment() -> dict[str, str]:
    """Return the environment for Vagrant: this lab, no colours, no check for newer versions.

    Sizes of disks are an experimental feature of Vagrant, which it ignores unless it is named.
    """
    experimental = os.environ.get("VAGRANT_EXPERIMENTAL", "")
    if experimental != "1":  # all of them
        experimental = ",".join(filter(None, (experimental, "disks")))
    return {
        **{name: value for name, value in os.environ.items() if name not in _ELSEWHERE},
        "VAGRANT_EXPERIMENTAL": experimental,
        "VAGRANT_NO_COLOR": "1",
        "VAGRANT_CHECKPOINT_DISABLE": "1",
        "VAGRANT_BOX_UPDATE_CHECK_DISABLE": "1",
    }
