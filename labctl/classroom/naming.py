"""Names of students' nodes in a class: docker-node1 of anna is ``anna/docker-node1``."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TypeVar, cast

from labctl.checks.report import NodeReport
from labctl.events import Emit, Event
from labctl.lab.actions.node_run import NodeRun
from labctl.lab.actions.status import NodeStatus
from labctl.parallel import Result

T = TypeVar("T")


def renamed(student: Result[Sequence[Result[T]]]) -> Iterator[Result[T]]:
    """Yield the results of a student's nodes, with the student in their names."""
    if student.value is None:
        yield Result(student.node, None, student.error)
        return
    for result in student.value:
        name = f"{student.node}/{result.node}"
        if result.error is not None and result.error.node in ("", result.node):
            result.error.node = name
        yield Result(name, _under(result.value, student.node, result.node), result.error)


def _under(value: T | None, student: str, node: str) -> T | None:
    """Return a node's value as the class names the node."""
    name = f"{student}/{node}"
    if isinstance(value, NodeRun) and value.report is not None:
        report = _under(value.report, student, node)
        return cast("T", replace(value, report=report))
    if isinstance(value, NodeReport):
        own = f"{node} --student {student}"
        checks = (replace(check, fix=check.fix.replace(node, own)) for check in value.checks)
        return cast("T", replace(value, node=name, checks=tuple(checks)))
    if isinstance(value, NodeStatus):
        return cast("T", replace(value, node=name))
    return value


def tagged(student: str, emit: Emit) -> Emit:
    """Return what passes a student's events on, with the student in the nodes' names."""

    def tagged(event: Event) -> None:
        emit(replace(event, node=f"{student}/{event.node}" if event.node else student))

    return tagged
