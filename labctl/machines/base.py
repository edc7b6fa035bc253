"""What the rest of labctl needs of machines, whoever makes them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from enum import StrEnum
from typing import Protocol

from labctl.events import Emit
from labctl.remote.target import Target


class MachineState(StrEnum):
    """The state of a machine, as far as its provider knows."""

    RUNNING = "running"
    STOPPED = "stopped"
    SUSPENDED = "suspended"
    ABSENT = "absent"
    EXISTING = "existing"
    """It was there before labctl, and only itself can tell whether it runs."""
    UNKNOWN = "unknown"


class Machines(Protocol):
    """The machines of a lab. Every method may be called from several threads at once."""

    def states(self, *, wait: bool = True) -> dict[str, MachineState]:
        """Return the state of each machine that the lab has; one that is left out is not there.

        Parameters:
            wait: wait for another program that works on a machine, rather than fail.
        """
        ...

    def up(self, node: str, *, emit: Emit, booting: Callable[[], None]) -> Target:
        """Bring a machine up and return how to reach it.

        It blocks until the machine answers over ssh, or its provider has given up.

        Parameters:
            node: the machine's name.
            emit: takes what the provider says.
            booting: called once when all that had to be done alone is done, such as importing the
                box and making networks, and the machine merely boots; it need not be called.

        Raises:
            MachineError: the machine did not come up; the error names the log.
        """
        ...

    def target(self, node: str) -> Target:
        """Return how to reach a machine that runs.

        Raises:
            MachineError: its provider does not say.
        """
        ...

    def halt(self, node: str, *, emit: Emit) -> None:
        """Shut a machine down in order. One that does not run is left alone."""
        ...

    def suspend(self, node: str, *, emit: Emit) -> None:
        """Freeze a running machine and keep its memory on disk."""
        ...

    def resume(self, node: str, *, emit: Emit) -> None:
        """Let a suspended machine run on."""
        ...

    def reload(self, node: str, *, emit: Emit) -> None:
        """Shut a machine down and start it with what the Vagrantfile says now."""
        ...

    def sync(self, node: str, *, watch: bool, emit: Emit) -> None:
        """Push the rsync folders of a running machine again; with `watch`, go on doing so."""
        ...

    def save(self, node: str, name: str, *, emit: Emit) -> None:
        """Keep the state of a machine, disks and memory, as the checkpoint `name`."""
        ...

    def restore(self, node: str, name: str, *, emit: Emit) -> None:
        """Bring a machine back to a checkpoint, running."""
        ...

    def checkpoints(self, node: str) -> list[str]:
        """Return the names of a machine's checkpoints, oldest first."""
        ...

    def drop(self, node: str, name: str, *, emit: Emit) -> None:
        """Delete a checkpoint; the machine itself is not touched."""
        ...

    def destroy(self, node: str, *, emit: Emit) -> None:
        """Remove a machine and its disks. One that does not exist is left alone."""
        ...

    def alone_first(self, nodes: Sequence[str]) -> bool:
        """Tell whether the first of `nodes` must be booting before another may be begun."""
        ...
