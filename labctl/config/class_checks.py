"""Checks of `class:`, against other keys and against the roster, a file of this computer."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from labctl.config import roster
from labctl.config.faults import Fault
from labctl.messages import msg

if TYPE_CHECKING:
    from labctl.config.model import LabSpec
    from labctl.config.values import Part

_PRIVATE = msg("students have the same addresses, so this would be the same for all of them")


def check(lab: LabSpec) -> Iterator[Fault]:
    """Yield the faults between `class` and other keys."""
    room = lab.class_spec
    if room is None:
        return
    if "machines" in lab.model_fields_set and lab.machines is not None:
        hint = msg("write the machines' hosts into the third column of the roster")
        yield Fault(("class",), msg("cannot be combined with machines"), hint, ("machines",))
    for key in ("forwarded_ports", "networks"):
        if any(getattr(node, key) for node in (lab, *_listed(lab))):
            yield Fault((key,), msg("cannot be combined with class"), _PRIVATE)
    for name in ("name", "uri"):
        seen: set[str] = set()
        for index, host in enumerate(room.hosts):
            value: str = getattr(host, name)
            if value in seen:
                message = msg("another host has the same {key}", key=name)
                yield Fault(("class", "hosts", index, name), message)
            seen.add(value)
    if not room.hosts:
        return
    if lab.provider not in (None, "libvirt"):
        hint = msg("remove the hosts to use {provider} on this computer", provider=lab.provider)
        yield Fault(("provider",), msg("the hosts of a class need libvirt"), hint)
    for index, folder in enumerate(lab.synced_folders):
        if folder.type not in ("rsync", "disabled"):
            message = msg("only rsync reaches the machines of other hosts")
            yield Fault(("synced_folders", index, "type"), message, msg("set type: rsync"))


def _listed(lab: LabSpec) -> tuple[Part, ...]:
    return () if isinstance(lab.nodes, int) else lab.nodes


def check_roster(lab: LabSpec) -> Iterator[Fault]:
    """Yield the faults of the roster, a file of this computer."""
    room, path = lab.class_spec, ("class", "students")
    if room is None or isinstance(room.students, int):
        return
    try:
        rows, problems = roster.read(Path(room.students))
    except OSError as error:
        message = msg("cannot read {path}: {reason}", path=room.students, reason=error.strerror)
        hint = msg("write a CSV file with a line for each student, or set a number")
        yield Fault(path, message, hint)
        return
    for one in problems:
        message = msg(
            "{file}, line {line}: {problem}",
            file=Path(room.students).name,
            line=one.line,
            problem=one.message,
        )
        yield Fault(path, message, one.hint)
    if any(row.host for row in rows):
        if room.hosts:
            message = msg("cannot be combined with a roster that names hosts")
            yield Fault(("class", "hosts"), message, msg("remove one of them"))
        if "nodes" in lab.model_fields_set and lab.nodes != 1:
            message = msg("a student with an existing machine has one node")
            yield Fault(("nodes",), message, msg("remove this key, or the hosts of the roster"))
