"""Checkpoints: the state of machines by name, to go back to after a chapter or an accident."""

from __future__ import annotations

import re
from collections.abc import Iterable

from labctl.errors import MachineError, UsageError
from labctl.events import Emit
from labctl.lab.actions.lifecycle import on_each
from labctl.lab.boot import started
from labctl.lab.lab import Lab
from labctl.machines.base import Machines
from labctl.parallel import Result, each

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")


def save(lab: Lab, name: str, limit: Iterable[str]) -> list[Result[None]]:
    """Keep the state of nodes under a name.

    Raises:
        UsageError: the name cannot be one.
    """
    _check(name)

    def work(machines: Machines, node: str, emit: Emit) -> None:
        if name in machines.checkpoints(node):
            raise UsageError(
                f"there is a checkpoint '{name}' already",
                node=node,
                hint=f"choose another name, or `labctl checkpoint delete {name}` first",
            )
        machines.save(node, name, emit=emit)

    return on_each(lab, "checkpoint save", limit, work)


def restore(lab: Lab, name: str, limit: Iterable[str]) -> list[Result[None]]:
    """Bring nodes back to a checkpoint; what happened on them since is gone."""
    _check(name)

    def work(machines: Machines, node: str, emit: Emit) -> None:
        _expect(machines, node, name)
        with started(lab, machines, node):
            machines.restore(node, name, emit=emit)

    return on_each(lab, "checkpoint restore", limit, work)


def delete(lab: Lab, name: str, limit: Iterable[str]) -> list[Result[None]]:
    """Delete a checkpoint of nodes; the nodes themselves are not touched."""
    _check(name)

    def work(machines: Machines, node: str, emit: Emit) -> None:
        _expect(machines, node, name)
        machines.drop(node, name, emit=emit)

    return on_each(lab, "checkpoint delete", limit, work)


def names(lab: Lab, limit: Iterable[str]) -> list[Result[list[str]]]:
    """Return the checkpoints of each node.

    Raises:
        LabLocked: another labctl is at work on the lab; its Vagrant would break off if its machine
            were looked at.
    """
    nodes = lab.select(limit)
    with lab.state.locked("checkpoint list"):
        machines = lab.machines()
        return each(nodes, machines.checkpoints, cap=lab.spec.parallel, stop=lab.stop)


def _check(name: str) -> None:
    if not _NAME.fullmatch(name):
        raise UsageError(
            f"'{name}' cannot be the name of a checkpoint",
            hint="take letters, digits, '.', '_' and '-', such as chapter5",
        )


def _expect(machines: Machines, node: str, name: str) -> None:
    known = machines.checkpoints(node)
    if name not in known:
        raise MachineError(
            f"there is no checkpoint '{name}'",
            node=node,
            hint=f"there are {', '.join(known)}" if known else "there are none",
        )
