"""Existing machines, which labctl neither creates nor removes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from labctl.errors import UsageError
from labctl.events import Emit
from labctl.machines.base import MachineState
from labctl.messages import msg
from labctl.remote.target import Target


class StaticMachines:
    """The hosts of `machines:` in lab.yaml.

    Parameters:
        targets: how each is reached, by node name.
    """

    def __init__(self, targets: Mapping[str, Target]) -> None:
        self._targets = dict(targets)

    def states(self, *, wait: bool = True) -> dict[str, MachineState]:
        return dict.fromkeys(self._targets, MachineState.EXISTING)

    def up(self, node: str, *, emit: Emit, booting: Callable[[], None]) -> Target:
        return self._targets[node]

    def target(self, node: str) -> Target:
        return self._targets[node]

    def halt(self, node: str, *, emit: Emit) -> None:
        raise _not_ours(node)

    def release_ports(self, node: str, *, emit: Emit) -> None:
        return

    def suspend(self, node: str, *, emit: Emit) -> None:
        raise _not_ours(node)

    def resume(self, node: str, *, emit: Emit) -> None:
        raise _not_ours(node)

    def reload(self, node: str, *, emit: Emit) -> None:
        raise _not_ours(node)

    def sync(self, node: str, *, watch: bool, emit: Emit) -> None:
        raise _not_ours(node)

    def save(self, node: str, name: str, *, emit: Emit) -> None:
        raise _not_ours(node)

    def restore(self, node: str, name: str, *, emit: Emit) -> None:
        raise _not_ours(node)

    def checkpoints(self, node: str) -> list[str]:
        raise _not_ours(node)

    def drop(self, node: str, name: str, *, emit: Emit) -> None:
        raise _not_ours(node)

    def destroy(self, node: str, *, emit: Emit) -> None:
        raise _not_ours(node)

    def add_box(self, name: str, place: Path, *, emit: Emit) -> None:
        raise _not_ours("")

    def alone_first(self, nodes: Sequence[str]) -> bool:
        return False


def _not_ours(node: str) -> UsageError:
    return UsageError(
        msg("{node} is an existing machine, which labctl only provisions and verifies", node=node),
        hint="use the tools that the machine was created with",
    )
