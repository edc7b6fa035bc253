"""Shell completion of nodes, playbooks, sections, checkpoints and toolchains.

Completion never fails and never touches a machine. Where something is wrong it offers nothing.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    from labctl.lab.lab import Lab


_PLAIN = re.compile(r"\w[\w.@+=-]*")


def nodes(context: typer.Context, incomplete: str) -> list[str]:
    """Return the nodes of the lab that begin with what was typed."""
    return _offered(context, incomplete, lambda lab: lab.node_names)


def students(context: typer.Context, incomplete: str) -> list[str]:
    """Return the ids of the class's students."""

    def found(lab: Lab) -> Iterable[str]:
        from labctl.classroom.room import Classroom

        if not lab.is_class:
            return ()
        room = Classroom.open(lab.workspace, {}, emit=lambda _: None, read_only=True)
        return [student.id for student in room.students]

    return _offered(context, incomplete, found)


def playbooks(context: typer.Context, incomplete: str) -> list[str]:
    """Return the playbooks that the lab runs."""
    return _offered(context, incomplete, lambda lab: lab.spec.playbooks)


def further_playbooks(context: typer.Context, incomplete: str) -> list[str]:
    """Return the playbooks that exist and that the lab does not run."""

    def found(lab: Lab) -> Iterable[str]:
        from labctl.config.playbook_modules import available

        return [
            name for name in available(lab.workspace.playbooks) if name not in lab.spec.playbooks
        ]

    return _offered(context, incomplete, found)


def sections(context: typer.Context, incomplete: str) -> list[str]:
    """Return the sections of the course."""

    def found(lab: Lab) -> Iterable[str]:
        from labctl.lab.sections import discover

        return [section.name for section in discover(lab)]

    return _offered(context, incomplete, found)


def checkpoints(context: typer.Context, incomplete: str) -> list[str]:
    """Return the checkpoints that labctl saved."""

    def found(lab: Lab) -> Iterable[str]:
        from labctl.lab.checkpoint_record import CheckpointRecord

        return CheckpointRecord(lab.workspace.checkpoints).names()

    return _offered(context, incomplete, found)


def nodes_and_commands(context: typer.Context, incomplete: str) -> list[str]:
    """Return what `labctl logs` takes: nodes and recorded commands."""
    from labctl.cli.recorded import RECORDED

    return [
        *nodes(context, incomplete),
        *(name for name in RECORDED if name.startswith(incomplete)),
    ]


def toolchains(incomplete: str) -> list[str]:
    """Return the known toolchains."""
    from labctl.config.toolchains import TOOLCHAINS

    return [name for name in TOOLCHAINS if name.startswith(incomplete)]


def providers(incomplete: str) -> list[str]:
    """Return the known providers."""
    from labctl.machines.providers import names

    return [name for name in names() if name.startswith(incomplete)]


def _offered(
    context: typer.Context, incomplete: str, found: Callable[[Lab], Iterable[str]]
) -> list[str]:
    """Return what fits; of a list with commas, the last name is completed.

    Shells evaluate what completion prints, and folders of a lab may have any name.
    """
    before, comma, last = incomplete.rpartition(",")
    try:
        names = [name for name in found(_lab(context)) if name.startswith(last)]
        return [f"{before}{comma}{name}" for name in names if _PLAIN.fullmatch(name)]
    except Exception:  # a broken lab.yaml must not print a traceback into the user's prompt
        return []


def _lab(context: typer.Context) -> Lab:
    from labctl.lab.lab import Lab
    from labctl.lab.workspace import Workspace

    place = os.environ.get("LABCTL_LAB")
    at: Any = context
    while at is not None:
        place = at.params.get("labctl_lab") or at.params.get("lab") or place
        at = at.parent
    return Lab.open(Workspace.find(place), {}, emit=lambda _: None)
