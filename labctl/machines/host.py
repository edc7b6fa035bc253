"""Properties of the computer that labctl runs on, for `labctl doctor` and for providers.

A method returns None if the property cannot be determined.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping, Sequence
from ipaddress import IPv4Network
from pathlib import Path
from typing import Protocol

from labctl.machines.plugins import Plugin


def find_program(
    program: str, variables: Sequence[str] = (), environment: Mapping[str, str] = os.environ
) -> str | None:
    """Return the path of a program; see `Host.which`."""
    for variable in variables:
        for folder in environment.get(variable, "").split(os.pathsep):
            candidate = Path(folder) / f"{program}.exe"
            if folder and candidate.is_file():
                return str(candidate)
    return shutil.which(program, path=environment.get("PATH"))


class Host(Protocol):
    """The computer that is examined."""

    @property
    def system(self) -> str:
        """The operating system, as in `sys.platform`."""
        ...

    @property
    def processor(self) -> str:
        """The processor, as in `platform.machine`."""
        ...

    def which(self, program: str, variables: Sequence[str] = ()) -> str | None:
        """Return the path of a program, None if it is not installed.

        Parameters:
            program: its name.
            variables: of the environment, each a list of folders to look in before PATH. Windows'
                installers set them; the program ends in ``.exe`` there.
        """
        ...

    def output(self, *command: str) -> str | None:
        """Return the output of a command; None if it fails or takes longer than 20 seconds."""
        ...

    def provider(self, requested: str | None, made_with: str) -> tuple[str, str]:
        """Return the provider of a lab and why it is that one.

        Raises:
            ProviderMissing: none can be used, or not the requested one.
        """
        ...

    def virtualization(self) -> bool | None:
        """Return True if the processor supports virtual machines."""
        ...

    def memory(self) -> tuple[int, int] | None:
        """Return (all, free) memory in MiB."""
        ...

    def disk(self) -> int | None:
        """Return the free MiB where boxes and machines are kept: VAGRANT_HOME or the home."""
        ...

    def networks(self) -> list[tuple[str, IPv4Network]] | None:
        """Return (interface, network) of this computer's routes."""
        ...

    def firewall(self) -> str | None:
        """Return the name of a firewall that is on; empty if none is."""
        ...

    def plugin(self, name: str) -> Plugin | None:
        """Return a plugin of Vagrant's."""
        ...

    def additions_work(self) -> bool:
        """Return True if vagrant-vbguest, if installed, can install Guest Additions."""
        ...

    def missing(self, kind: str) -> tuple[str, str] | None:
        """Return (what is missing, what to do) for synced folders of a type."""
        ...

    def has_box(self, name: str, version: str | None, provider: str) -> bool:
        """Return True if Vagrant has a box.

        Parameters:
            name: of the box.
            version: None: any.
            provider: empty: any.
        """
        ...

    def reach(self, url: str) -> str:
        """Return why a URL does not answer; empty if it does."""
        ...
