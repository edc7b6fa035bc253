"""The status of the nodes of a class: all are probed at once."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from labctl.classroom.room import Classroom
from labctl.errors import LabctlError
from labctl.lab.actions.status import NodeStatus, status
from labctl.lab.lab import Lab
from labctl.machines.base import MachineState
from labctl.messages import msg
from labctl.parallel import Result

_STUDENTS = 40
"""Students whose nodes are probed at once."""


def status_of_class(room: Lab, limit: Iterable[str]) -> list[NodeStatus]:
    """Probe the nodes of the chosen students; see `labctl.lab.actions.status.status`.

    What libvirt says about nodes that do not answer is asked once for each host.
    """
    assert isinstance(room, Classroom)

    def probe(lab: Lab, nodes: Sequence[str]) -> list[Result[NodeStatus]]:
        if lab.uses_vagrant and not (lab.workspace.state / "nodes").is_dir():
            rows = [NodeStatus(node, str(MachineState.ABSENT), None) for node in nodes]
        else:
            rows = status(lab, nodes)
        return [Result(row.node, row) for row in rows]

    found = room.on_students(probe, limit, cap=_STUDENTS)
    return [_row(result) for result in found]


def _row(result: Result[NodeStatus]) -> NodeStatus:
    if result.value is not None:
        return replace(result.value, node=result.node)
    error = result.error
    assert isinstance(error, LabctlError)
    return NodeStatus(result.node, msg("not working"), None, problem=error.message)
