"""Machines that exist already: nothing brings them up, and nothing takes them down."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from labctl.errors import UsageError
from labctl.events import Emit
from labctl.machines.base import MachineState
from labctl.remote.target import Target


class StaticMachines:
    """The hosts of `machines:` in lab.yaml.

    Parameters:
        targets: how each is reached, by node name.
    """

    def __init__(self, targets: Mapping[str, Target]) -> None:
        self._targets = dict(targets)

    def states(self) -> dict[str, MachineState]:
        return dict.fromkeys(self._targets, MachineState.UNKNOWN)

    def up(self, node: str, *, emit: Emit, booting: Callable[[], None]) -> Target:
        return self._targets[node]

    def halt(self, node: str, *, emit: Emit) -> None:
        raise self._not_ours(node, "halted")

    def destroy(self, node: str, *, emit: Emit) -> None:
        raise self._not_ours(node, "destroyed")

    def alone_first(self, nodes: Sequence[str]) -> bool:
        return False

    @staticmethod
    def _not_ours(node: str, what: str) -> UsageError:
        return UsageError(
            f"{node} is an existing machine and is not {what} by labctl",
            hint="labctl provisions and verifies it; turn it off as you turned it on",
        )
