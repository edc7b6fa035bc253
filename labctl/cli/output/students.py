"""Tables of a class: a row for each student; students without a problem are folded."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from labctl.cli.i18n.locale import _
from labctl.cli.output.failures import print_failures
from labctl.cli.output.grouping import NodeMessage, print_grouped
from labctl.cli.output.table import print_table
from labctl.cli.output.tables import failed, result_as_json, succeeded
from labctl.cli.output.terminal import printable, say, say_json

if TYPE_CHECKING:
    from labctl.classroom.placement import HostPlan, Plan
    from labctl.classroom.room import Classroom
    from labctl.classroom.students import Student
    from labctl.cli.options import Globals
    from labctl.lab.actions.node_run import NodeRun
    from labctl.lab.actions.status import NodeStatus
    from labctl.lab.lab import Lab
    from labctl.parallel import Result

_MOST_ROWS = 12
"""Students who all have a row; of more, only those with a problem have one."""


def print_class_summary(
    options: Globals,
    lab: Lab,
    results: Sequence[Result[NodeRun]],
    *,
    command: str,
    check: bool = False,
) -> None:
    """Print how a run ended for each student, and what is wrong on which nodes."""
    room = _room(lab)
    groups = _by_student(results, lambda result: result.node)
    bad = [one for one, found in groups.items() if not all(map(succeeded, found))]
    if options.as_json:
        for result in results:
            say_json(result_as_json(lab, result))
        for one, found in groups.items():
            say_json({**_as_json(room, one), "ok": one not in bad, "nodes": len(found)})
        return
    rows = [_summary_row(room, one, found) for one, found in groups.items()]
    _print_rows(
        [_("student"), _("host"), _("nodes"), _("changes"), _("checks"), _("result")], rows, bad
    )
    print_grouped(failed(list(results)))
    reports = [result.value.report for result in results if result.value and result.value.report]
    print_failures(reports, verbose=options.verbose)
    say()
    if bad:
        names = ",".join(bad)
        say(_("failed: {students}", students=names), fg="red")
        say(_("next: `labctl {command} --student {students}`", command=command, students=names))
    elif not check and results:
        say(_("next: labctl ssh {node}    labctl status", node=results[0].node))


def _summary_row(room: Classroom, student: str, found: Sequence[Result[NodeRun]]) -> list[str]:
    good = sum(map(succeeded, found))
    runs = [result.value for result in found if result.value]
    reports = [run.report for run in runs if run.report]
    changes = sum(len(run.outcome.changes) for run in runs if run.outcome)
    passed = sum(len(report.passed) for report in reports)
    checks = sum(len(report.checks) for report in reports)
    return [
        *_head(room, student),
        f"{good}/{len(found)}",
        str(changes) if any(run.outcome for run in runs) else "-",
        f"{passed}/{checks}" if reports else "-",
        _("ok") if good == len(found) else _("FAILED"),
    ]


def print_class_status(options: Globals, lab: Lab, rows: Sequence[NodeStatus]) -> None:
    """Print the status of each student's nodes."""
    room = _room(lab)
    groups = _by_student(rows, lambda row: row.node)
    if options.as_json:
        for row in rows:
            student = row.node.partition("/")[0]
            say_json({"event": "status", "student": student, **row.as_json()})
        return
    bad = [one for one, found in groups.items() if any(row.engine == "-" for row in found)]
    heads = [_("student"), _("host"), _("nodes"), _("state"), _("engine"), _("containers")]
    table = []
    for one, found in groups.items():
        up = [row for row in found if row.engine != "-"]
        states = dict.fromkeys(_(row.state) for row in found)
        engines = dict.fromkeys(row.engine for row in found)
        containers = sum(int(row.containers) for row in up if row.containers.isdecimal())
        table.append(
            [
                *_head(room, one),
                f"{len(up)}/{len(found)}",
                ", ".join(states),
                ", ".join(engines),
                str(containers),
            ]
        )
    _print_rows(heads, table, bad)
    print_grouped(
        NodeMessage(row.node, _(text))
        for row in rows
        for text in (*row.warnings, *([row.problem] if row.problem else []))
    )


def print_plan(options: Globals, room: Classroom, plan: Plan) -> None:
    """Print the host of each student, and what is asked of each host."""
    students = [one for one in room.students if not one.left]
    if options.as_json:
        for one in students:
            place = plan.places.get(one.id, "")
            data = {"event": "placed", "student": one.id, "name": one.name, "host": place}
            say_json(data | {"kept": bool(one.placed), "missing": plan.missing.get(one.id, "")})
        for host in plan.hosts:
            say_json({"event": "host", **_host_as_json(host)})
        say_json({"event": "plan", **plan.as_json()})
        return
    rows = [
        [printable(one.shown), plan.places.get(one.id, "-"), _kept(one, plan)] for one in students
    ]
    print_table([_("student"), _("host"), _("place")], rows)
    left = [one for one in room.record.students.values() if one.left and one.placed]
    for one in left:
        say(
            _(
                "{student} left the roster; `labctl destroy --student {student}` removes the "
                "machines",
                student=one.id,
            ),
            fg="yellow",
        )
    if plan.hosts:
        say()
        heads = [_("host"), _("students"), _("memory asked/there"), _("disk asked/there"), ""]
        print_table(heads, [_host_row(host) for host in plan.hosts])
    problems = [NodeMessage(student, _(why)) for student, why in plan.missing.items()]
    problems += [NodeMessage("", _(text)) for text in plan.short]
    problems += [NodeMessage("", _(host.problem)) for host in plan.hosts if host.problem]
    print_grouped(problems)


def _kept(student: Student, plan: Plan) -> str:
    if student.id in plan.missing:
        return _("none")
    if student.host:
        return _("existing machine")
    return _("kept") if student.placed else _("new")


def _host_row(host: HostPlan) -> list[str]:
    room = host.capacity
    disk = "?" if room is None or room.disk is None else str(room.disk // 1024)
    memory = "?" if room is None else str(room.memory)
    return [
        host.name,
        str(host.students),
        f"{host.memory} / {memory} MiB",
        f"{host.disk // 1024} / {disk} GiB",
        _("emulated, slow") if room is not None and room.emulated else "",
    ]


def _host_as_json(host: HostPlan) -> dict[str, Any]:
    room = host.capacity
    return {
        "host": host.name,
        "students": host.students,
        "memory_asked": host.memory,
        "memory": None if room is None else room.memory,
        "disk_asked": host.disk,
        "disk": None if room is None else room.disk,
        "emulated": room is not None and room.emulated,
        "problem": host.problem,
    }


def _print_rows(heads: list[str], rows: list[list[str]], bad: Sequence[str]) -> None:
    """Print the rows of students; of many, only those with a problem and the number of others."""
    shown = rows
    if len(rows) > _MOST_ROWS:
        shown = [row for row in rows if row[0].split(" ")[0] in bad]
    if shown:
        print_table(heads, shown, spare=(4, 3, 1))
    if len(shown) < len(rows):
        say(_("{count} students: ok", count=len(rows) - len(shown)))


def _head(room: Classroom, student: str) -> list[str]:
    one = room.record.students.get(student)
    if one is None:
        return [student, "-"]
    return [printable(one.shown), one.host or one.placed or "-"]


def _as_json(room: Classroom, student: str) -> dict[str, Any]:
    one = room.record.students.get(student)
    if one is None:
        return {"event": "student", "student": student}
    return {
        "event": "student",
        "student": one.id,
        "name": one.name,
        "full_name": one.full_name,
        "host": one.host or one.placed,
    }


def _by_student(found: Sequence[Any], name: Callable[[Any], str]) -> dict[str, list[Any]]:
    groups: dict[str, list[Any]] = {}
    for one in found:
        groups.setdefault(name(one).partition("/")[0], []).append(one)
    return groups


def _room(lab: Lab) -> Classroom:
    from labctl.classroom.room import Classroom

    assert isinstance(lab, Classroom)
    return lab
