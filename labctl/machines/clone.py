"""A throw-away copy of a stopped machine: what a box is made of.

The machine itself is only read. The copy has a disk of its own, boots without the lab's networks,
and is removed in the end. A copy that a killed labctl left behind is found by its name, which is
made of the machine's id.
"""

from __future__ import annotations

import math
import shutil
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from labctl.errors import UsageError
from labctl.machines import box
from labctl.machines.box import Progress
from labctl.messages import msg
from labctl.parallel import Stop
from labctl.remote.target import Target
from labctl.storage import read_json

MB = 1_000_000

OFF_SECONDS = 60.0
"""Seconds that a sealed copy has to power itself off."""


@dataclass(frozen=True, slots=True)
class Machine:
    """A machine that Vagrant created.

    Parameters:
        node: its name.
        id: the provider's id of it.
        root: the folder with the Vagrantfile.
        provider: the provider's name.
        target: how it is reached when it runs.
        boot_timeout: seconds from its start until it answers.
    """

    node: str
    id: str
    root: Path
    provider: str
    target: Target
    boot_timeout: float

    @property
    def folder(self) -> Path:
        """Where Vagrant keeps its state."""
        return vagrant_folder(self.root, self.node, self.provider)

    @property
    def copies(self) -> Path:
        """Where the files of its copy are."""
        return self.root / "copies" / self.node

    @property
    def copy_name(self) -> str:
        """The name of its throw-away copy, unique on this computer."""
        return f"labctl-copy-{self.id}"

    @property
    def box_folder(self) -> Path | None:
        """The folder of the box that it was made of; None if that box is gone."""
        try:
            made_of = read_json(self.folder / "box_meta")
            folder = box.home() / str(made_of["directory"])
        except (OSError, ValueError, KeyError, TypeError):
            return None
        return folder if folder.is_dir() else None


def vagrant_folder(root: Path, node: str, provider: str) -> Path:
    """Return where Vagrant keeps the state of a machine."""
    return root / ".vagrant" / "machines" / node / provider


class Clone(ABC):
    """A throw-away copy of a machine. Its methods are called in their order here.

    Parameters:
        machine: the machine.
        stop: ends running programs on Ctrl-C.
    """

    def __init__(self, machine: Machine, stop: Stop) -> None:
        self.machine = machine
        self.stop = stop

    @abstractmethod
    def check(self, size: int) -> None:
        """Check that this computer can copy the machine; nothing is changed.

        Parameters:
            size: bytes that the machine's file systems use.

        Raises:
            UsageError: a program is missing, the machine has more than one disk, or there is too
                little space.
        """

    @abstractmethod
    def create(self, progress: Progress) -> None:
        """Copy the machine, which must be stopped."""

    @abstractmethod
    def start(self) -> Target:
        """Start the copy without the lab's networks, and return where its sshd will answer.

        The copy ends with this process, or is removed by `remove`.
        """

    @abstractmethod
    def wait_off(self) -> None:
        """Wait until the sealed copy has powered itself off, or end it after `OFF_SECONDS`.

        Its file systems are read-only and clean by then, so nothing is lost.
        """

    @abstractmethod
    def disk(self, folder: Path, progress: Progress) -> Path:
        """Return the copy's disk as an uncompressed file.

        Parameters:
            folder: for the file, if the disk itself cannot be read here.
            progress: see `Progress`.
        """

    @abstractmethod
    def pack(self, disk: Path, folder: Path, progress: Progress) -> None:
        """Write the files of a box with the copy's disk into an empty folder.

        Parameters:
            disk: from `disk`.
            folder: for the files.
            progress: see `Progress`.
        """

    @abstractmethod
    def remove(self) -> None:
        """Remove the copy, running or not; no-op if there is none."""


def program(name: str, find: Callable[[str], str | None], hint: str) -> str:
    """Return the path of a program.

    Raises:
        UsageError: it is not installed.
    """
    path = find(name)
    if path is None:
        raise UsageError(msg("{program} is missing", program=name), hint=hint)
    return path


def require_space(folder: Path, size: int) -> None:
    """Check that `size` bytes are free in a folder.

    Raises:
        UsageError: they are not.
    """
    free = shutil.disk_usage(folder).free
    if free < size:
        raise UsageError(
            msg(
                "{folder} has {free} MB free, and a box of this node needs {size} MB there",
                folder=folder,
                free=free // MB,
                size=math.ceil(size / MB),
            ),
            hint=msg("free disk space, or remove images and files from the node"),
        )
