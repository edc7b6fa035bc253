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
    UNKNOWN = "unknown"


class Machines(Protocol):
    """The machines of a lab. Every method may be called from several threads at once."""

    def states(self) -> dict[str, MachineState]:
        """Return the state of each machine that the lab has or could have."""
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

    def halt(self, node: str, *, emit: Emit) -> None:
        """Shut a machine down in order. One that does not run is left alone."""
        ...

    def destroy(self, node: str, *, emit: Emit) -> None:
        """Remove a machine and its disks. One that does not exist is left alone."""
        ...

    def alone_first(self, nodes: Sequence[str]) -> bool:
        """Tell whether the first of `nodes` must be booting before another may be begun."""
        ...
