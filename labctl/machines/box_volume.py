"""The disk of a box, and the volume that it becomes on a libvirt host."""

from __future__ import annotations

import hashlib
import json
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from labctl.errors import MachineError
from labctl.machines import box as boxes
from labctl.machines.vagrant_program import environment, find_vagrant
from labctl.messages import msg

if TYPE_CHECKING:
    from labctl.config.sections import Box

_DOWNLOAD = 7200.0
"""Seconds that the download of a box may take."""


@dataclass(frozen=True, slots=True)
class BoxVolume:
    """The disk of a box, and the volume that it becomes.

    Parameters:
        path: the file on this computer.
        name: the name that vagrant-libvirt gives the volume.
        virtual_gib: the size that a machine sees.
    """

    path: Path
    name: str
    virtual_gib: int

    def sha256(self) -> str:
        """Return the digest of the file."""
        with self.path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()


def volume(box: Box, install: Callable[[str], object]) -> BoxVolume | None:
    """Return the disk of a box, which Vagrant downloads if this computer lacks the box.

    Parameters:
        box: of lab.yaml.
        install: called with the box's name before a download.

    Returns:
        None if the box consists of several disks, which vagrant-libvirt names in its own way.

    Raises:
        MachineError: the box cannot be downloaded, or is not one of libvirt.
    """
    found = boxes.find(box.name, "libvirt", box.pinned_version)
    if found is None:
        install(box.name)
        _download(box)
        found = boxes.find(box.name, "libvirt", box.pinned_version)
    if found is None:
        raise MachineError(msg("Vagrant has no box {box} for libvirt", box=box.name))
    disk = found.folder / "box.img"
    try:
        metadata = json.loads((found.folder / "metadata.json").read_text("utf-8"))
        if metadata.get("disks") or not disk.is_file():
            return None
        size = int(metadata["virtual_size"])
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise MachineError(
            msg("the box {box} is damaged: {error}", box=box.name, error=error),
            hint=msg("run `vagrant box remove {box}`, then the same command again", box=box.name),
        ) from error
    # The plugin tells boxes without a version apart by their time.
    version = f"0_{int(disk.stat().st_mtime)}" if found.version == "0" else found.version
    name = box.name.replace("/", "-VAGRANTSLASH-")
    return BoxVolume(disk, f"{name}_vagrant_box_image_{version}_box.img", size)


def _download(box: Box) -> None:
    """Let Vagrant download a box."""
    words = [find_vagrant(), "box", "add", "--provider", "libvirt"]
    if box.sha256:
        words += ["--checksum", box.sha256, "--checksum-type", "sha256"]
    if box.pinned_version:
        words += ["--box-version", box.pinned_version]
    words += [box.url, "--name", box.name] if box.url else [box.name]
    try:
        subprocess.run(
            words,
            env=environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_DOWNLOAD,
            check=True,
        )
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
        said = (error.stderr or b"").decode("utf-8", "replace").strip()
        raise MachineError(
            msg("Vagrant cannot download the box {box}", box=box.name),
            hint=msg("run `{command}` to see why", command=" ".join(words)),
            details=said[-1000:],
        ) from error
