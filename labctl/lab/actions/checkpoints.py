"""Checkpoints: saved states of machines, to restore after a chapter or an accident."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from labctl.config.nearest import suggestion
from labctl.errors import UsageError
from labctl.events import Emit
from labctl.lab.actions.lifecycle import on_each
from labctl.lab.boot import started
from labctl.lab.checkpoint_record import CheckpointRecord
from labctl.lab.lab import Lab
from labctl.machines.base import Machines
from labctl.messages import msg
from labctl.parallel import Result, each

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")


def save(lab: Lab, name: str, limit: Iterable[str]) -> list[Result[None]]:
    """Save the state of nodes under a name.

    Raises:
        UsageError: the name is invalid.
    """
    _check(name)

    def work(machines: Machines, node: str, emit: Emit) -> None:
        if name in machines.checkpoints(node):
            raise UsageError(
                msg("the checkpoint '{name}' already exists", name=name),
                node=node,
                hint=msg(
                    "choose another name, or run `labctl checkpoint delete {name}` first", name=name
                ),
            )
        machines.save(node, name, emit=emit)
        CheckpointRecord(lab.workspace.checkpoints).add(node, name)

    return on_each(lab, "checkpoint save", limit, work)


def restore(lab: Lab, name: str, limit: Iterable[str]) -> list[Result[None]]:
    """Restore nodes to a checkpoint; later changes on them are lost."""
    _check(name)

    def work(machines: Machines, node: str, emit: Emit) -> None:
        _expect(machines, node, name)
        with started(lab, machines, node):
            machines.restore(node, name, emit=emit)

    return on_each(lab, "checkpoint restore", limit, work)


def delete(lab: Lab, name: str, limit: Iterable[str]) -> list[Result[None]]:
    """Delete a checkpoint of nodes; the nodes are unchanged."""
    _check(name)

    def work(machines: Machines, node: str, emit: Emit) -> None:
        _expect(machines, node, name)
        machines.drop(node, name, emit=emit)
        CheckpointRecord(lab.workspace.checkpoints).remove(node, name)

    return on_each(lab, "checkpoint delete", limit, work)


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A checkpoint of a node.

    Parameters:
        name: its name.
        saved: when it was saved, in seconds since 1970; None if labctl did not save it.
    """

    name: str
    saved: float | None


def listed(lab: Lab, limit: Iterable[str]) -> list[Result[list[Checkpoint]]]:
    """Return the checkpoints of each node, oldest first.

    Raises:
        LabLocked: another labctl process uses the lab; its Vagrant process would abort if this one
            read the machine.
    """
    nodes = lab.select(limit)
    with lab.state.locked("checkpoint list"):
        machines = lab.machines()
        record = CheckpointRecord(lab.workspace.checkpoints)

        def work(node: str) -> list[Checkpoint]:
            return [
                Checkpoint(name, record.saved(node, name)) for name in machines.checkpoints(node)
            ]

        return each(nodes, work, cap=lab.parallel, stop=lab.stop)


def _check(name: str) -> None:
    if not _NAME.fullmatch(name):
        raise UsageError(
            msg("invalid checkpoint name '{name}'", name=name),
            hint="use letters, digits, '.', '_' and '-', such as chapter5",
        )


def _expect(machines: Machines, node: str, name: str) -> None:
    known = machines.checkpoints(node)
    if name not in known:
        raise UsageError(
            msg("unknown checkpoint '{name}'", name=name),
            node=node,
            hint=suggestion(name, known, msg("available: {names}", names=", ".join(known)))
            if known
            else "the node has no checkpoints",
        )
