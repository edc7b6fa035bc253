"""The interface of machines, and of the provider that creates them."""

from __future__ import annotations

import os
import sys
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from enum import StrEnum
from ipaddress import IPv4Network
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, NamedTuple, Protocol

from labctl.config.faults import Fault
from labctl.errors import Problem
from labctl.events import Emit, Notice
from labctl.remote.target import Target

if TYPE_CHECKING:
    from labctl.config.model import LabSpec
    from labctl.machines.clone import Clone, Machine
    from labctl.machines.finding import Finding
    from labctl.machines.host import Host
    from labctl.parallel import Stop


class MachineState(StrEnum):
    """The state of a machine, as its provider reports it."""

    RUNNING = "running"
    STOPPED = "stopped"
    SUSPENDED = "suspended"
    ABSENT = "absent"
    EXISTING = "existing"
    """labctl did not create it; only connecting to it shows whether it runs."""
    UNKNOWN = "unknown"


class Machines(Protocol):
    """The machines of a lab. Every method may be called from several threads at once."""

    def states(self, *, wait: bool = True) -> dict[str, MachineState]:
        """Return the state of each machine; a machine that is left out does not exist.

        Parameters:
            wait: wait for another program that uses a machine, instead of failing.
        """
        ...

    def up(self, node: str, *, emit: Emit, booting: Callable[[], None]) -> Target:
        """Bring a machine up and return how to reach it.

        Blocks until the machine answers over ssh or its provider gives up.

        Parameters:
            node: the machine's name.
            emit: receives the provider's output.
            booting: may be called once, when the steps that must not run in parallel are done
                (import of the box, creation of networks) and the machine only boots.

        Raises:
            MachineError: the machine did not come up; the error names the log.
        """
        ...

    def target(self, node: str) -> Target:
        """Return how to reach a machine that runs.

        Raises:
            MachineError: its provider does not report it.
        """
        ...

    def halt(self, node: str, *, emit: Emit) -> None:
        """Shut a machine down cleanly; no-op if it does not run."""
        ...

    def release_ports(self, node: str, *, emit: Emit) -> None:
        """End programs that still forward ports of a machine which stopped by itself."""
        ...

    def suspend(self, node: str, *, emit: Emit) -> None:
        """Suspend a running machine and save its memory to disk."""
        ...

    def resume(self, node: str, *, emit: Emit) -> None:
        """Resume a suspended machine."""
        ...

    def reload(self, node: str, *, emit: Emit) -> None:
        """Restart a machine with the settings of the current Vagrantfile."""
        ...

    def sync(self, node: str, *, watch: bool, emit: Emit) -> None:
        """Sync the rsync folders of a running machine; with `watch`, continuously."""
        ...

    def save(self, node: str, name: str, *, emit: Emit) -> None:
        """Save disks and memory of a machine as the checkpoint `name`."""
        ...

    def restore(self, node: str, name: str, *, emit: Emit) -> None:
        """Restore a machine to a checkpoint and start it."""
        ...

    def checkpoints(self, node: str) -> list[str]:
        """Return the names of a machine's checkpoints, oldest first."""
        ...

    def drop(self, node: str, name: str, *, emit: Emit) -> None:
        """Delete a checkpoint; the machine is unchanged."""
        ...

    def destroy(self, node: str, *, emit: Emit) -> None:
        """Remove a machine and its disks; no-op if it does not exist."""
        ...

    def add_box(self, name: str, place: Path, *, emit: Emit) -> None:
        """Add a box to those that machines may be created from.

        Parameters:
            name: the box's.
            place: a box file, or a catalogue in JSON.
            emit: receives the provider's output.

        Raises:
            MachineError: it was refused.
        """
        ...

    def alone_first(self, nodes: Sequence[str]) -> bool:
        """Return True if the first of `nodes` must be booting before the others may start."""
        ...


class Remedy(NamedTuple):
    """A fix for an error of Vagrant whose text matches a regular expression."""

    pattern: str
    text: str


class Provider(ABC):
    """Everything that differs between Vagrant's providers.

    Each provider is a subclass in a module of its own, created without arguments. labctl's own are
    in `labctl.machines.providers`; a package adds another with an entry point of the group
    ``labctl.providers`` that has the provider's name.
    """

    name: ClassVar[str]
    """Its name in Vagrant and lab.yaml."""

    folder_types: ClassVar[frozenset[str]] = frozenset()
    """Types of synced folders that only this provider has; see Vagrant's `synced_folder`."""

    interfaces: ClassVar[tuple[str, ...]] = ()
    """Prefixes of the network interfaces that this provider creates on the host."""

    remedies: ClassVar[tuple[Remedy, ...]] = ()
    """Remedies for errors that Vagrant prints when this provider fails."""

    options: ClassVar[frozenset[str]] = frozenset()
    """Which of the keys disk, gui, nested and provider_options of lab.yaml it supports.

    Its template applies them, in the macro ``options``.
    """

    fixed: ClassVar[frozenset[str]] = frozenset({"box", "provision"})
    """Keys of lab.yaml that only a new machine gets; a restart is not enough."""

    one_first: ClassVar[bool] = True
    """True if the first machine must be booting before another one may start.

    The import of a box and the creation of a network race, see `labctl.machines.vagrant`.
    """

    templates: ClassVar[Path | None] = None
    """Folder with ``providers/NAME.j2``, its part of the Vagrantfile; None: among labctl's own."""

    def clone(self, machine: Machine, stop: Stop) -> Clone | None:
        """Return the throw-away copy of a machine, which does not exist yet; None: unsupported."""
        return None

    @abstractmethod
    def missing(self, environment: Mapping[str, str] = os.environ) -> tuple[str, str] | None:
        """Return (what this computer lacks to use the provider, what to do), None if nothing."""

    def network_problem(
        self, network: IPv4Network, platform: str = sys.platform
    ) -> tuple[str, str] | None:
        """Return (message, hint) if the provider refuses `network`, else None.

        Parameters:
            network: the lab's.
            platform: the host's, as `sys.platform` has it.
        """
        return None

    def option_faults(self, spec: LabSpec) -> Iterator[Fault]:
        """Yield the options of virtual machines that this provider refuses, with the reason."""
        yield from ()

    def values(self, spec: LabSpec) -> dict[str, object]:
        """Return what the provider's part of the Vagrantfile needs beside lab.yaml's keys."""
        return {}

    def notices(self, spec: LabSpec) -> Iterator[Notice]:
        """Yield what the user should know before machines come up."""
        yield from ()

    def problems(self, spec: LabSpec) -> Iterator[Problem]:
        """Yield what lab.yaml requires and this computer lacks, except for synced folders."""
        yield from ()

    def examine(self, host: Host, spec: LabSpec) -> Iterator[Finding]:
        """Yield the findings of `labctl doctor` about the provider."""
        yield from ()

    def without_virtualization(self) -> str:
        """Return what machines do on a processor without virtualization; empty: they don't run."""
        return ""

    def firewall_problem(self, firewall: str) -> tuple[str, str] | None:
        """Return (message, hint) if a firewall of that name keeps machines from booting."""
        return None
