"""`labctl plan` and `labctl move`: the hosts of a class's students."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from labctl.cli import completion
from labctl.cli.i18n.locale import _
from labctl.cli.options import Json, Yes, with_json
from labctl.cli.output.terminal import say, say_json
from labctl.cli.run_options import Overcommit, Without, names
from labctl.cli.session import confirm, open_lab, sink
from labctl.errors import UsageError
from labctl.messages import msg

if TYPE_CHECKING:
    from labctl.classroom.room import Classroom
    from labctl.lab.lab import Lab


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command("plan")(plan)
    app.command("move")(move)


def plan(
    context: typer.Context,
    without: Without = None,
    overcommit: Overcommit = False,
    as_json: Json = False,
) -> None:
    """Show which host each student of a class gets, and what is missing.

    Nothing is changed. `labctl up` uses the same plan and keeps it. The exit code is 1 if a student
    has no place or a host lacks memory.
    """
    with_json(context, as_json)
    with sink(context) as emit:
        room = _room(open_lab(context, emit, read_only=True, classes=True))
        from labctl.classroom.plan import plan as make
        from labctl.cli.output.students import print_plan

        found = make(room, without=names(without), overcommit=overcommit)
    print_plan(context.obj, room, found)
    if found.missing or found.short or any(host.problem for host in found.hosts):
        raise typer.Exit(1)


def move(
    context: typer.Context,
    students: Annotated[
        list[str],
        typer.Argument(
            metavar="STUDENT...", help="Ids or patterns.", autocompletion=completion.students
        ),
    ],
    to: Annotated[
        str, typer.Option("--to", metavar="HOST", help="The new host; default: the roomiest.")
    ] = "",
    without: Without = None,
    overcommit: Overcommit = False,
    yes: Yes = False,
    as_json: Json = False,
) -> None:
    """Give students of a class another host, after confirmation.

    Their machines on the old host are removed with everything on them. If that host does not
    answer, they are removed once it does. `labctl up` then creates new ones.
    """
    with_json(context, as_json)
    with sink(context) as emit:
        room = _room(open_lab(context, emit, classes=True))
        room.choose(students)
    shown = ", ".join(one.id for one in room.students)
    confirm(
        yes,
        msg("this would remove the machines of {students}", students=shown),
        msg("Remove the machines of {students} and everything on them?", students=shown),
    )
    from labctl.classroom.destroy import move as action

    with sink(context) as emit:
        room.emit = emit
        moved = action(room, to, without=names(without), overcommit=overcommit)
    for student, host in moved.items():
        if context.obj.as_json:
            say_json({"event": "moved", "student": student, "host": host})
        else:
            say(_("{student} is now on {host}", student=student, host=host))
    if not context.obj.as_json:
        say(_("next: `labctl up --student {students}`", students=",".join(moved)))


def _room(lab: Lab) -> Classroom:
    """Return the lab as a class.

    Raises:
        UsageError: it is not a class.
    """
    if not lab.is_class:
        hint = msg("only a lab.yaml with 'class' has students")
        raise UsageError("this lab has no students", hint=hint)
    from labctl.classroom.room import Classroom

    assert isinstance(lab, Classroom)
    return lab
