"""Shared by all commands: the sink of events, the open lab, the passwords."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import typer

from labctl.cli.i18n.locale import _
from labctl.cli.options import Globals, with_json
from labctl.cli.output.terminal import is_terminal, say
from labctl.errors import MachineError, UsageError
from labctl.events import Event, Notice
from labctl.messages import msg
from labctl.remote.passwords import NO_PASSWORDS, Passwords

if TYPE_CHECKING:
    from labctl.events import Emit
    from labctl.lab.lab import Lab
    from labctl.parallel import Result

T = TypeVar("T")


def sink(context: typer.Context) -> AbstractContextManager[Emit]:
    """Return the sink for the events of this run."""
    from labctl.cli.output import sinks

    options: Globals = context.obj
    return sinks.sink(as_json=options.as_json, verbose=options.verbose)


def notices(context: typer.Context) -> Emit:
    """Return the sink of a command that shows notices but no other events."""
    options: Globals = context.obj

    def show(event: Event) -> None:
        from labctl.cli.output.lines import JsonLines

        if not isinstance(event, Notice):
            return
        if options.as_json:
            JsonLines()(event)
        else:
            say(f"{event.node or _('lab')}{_(': ')}{_(event.message)}", err=True)

    return show


def open_lab(
    context: typer.Context,
    emit: Emit,
    flags: Mapping[str, tuple[object, str]] | None = None,
    *,
    passwords: Passwords = NO_PASSWORDS,
    new: bool = False,
    read_only: bool = False,
    classes: bool = False,
) -> Lab:
    """Open the lab that the global options name; of a class, that of one student.

    Parameters:
        context: of the command.
        emit: takes the events.
        flags: by key of lab.yaml, (value, flag).
        passwords: of the login users.
        new: allow the command to run without a lab.
        read_only: write nothing to this computer.
        classes: the command works on a class; then a `Classroom` is returned for one.

    Raises:
        LabctlError: no lab was found, its files cannot be trusted, or lab.yaml or a flag cannot
            be used.
    """
    from labctl.config.overrides import Override
    from labctl.lab import stamp
    from labctl.lab.lab import Lab
    from labctl.lab.workspace import Workspace

    options: Globals = context.obj
    workspace = Workspace.find(options.lab)
    if not new:
        workspace.expect_lab()
    given = {key: Override(value, flag) for key, (value, flag) in (flags or {}).items()}
    stamp.check(workspace.state)  # before anything is written there
    if not read_only:
        emit = recorded(context, emit, workspace.logs)
    lab = Lab.open(workspace, given, emit=emit, passwords=passwords, read_only=read_only)
    if not (workspace.named or options.as_json) and workspace.folder != Path.cwd():
        emit(Notice("", msg("using the lab in {folder}", folder=workspace.folder)))
    if not lab.is_class:
        if options.students:
            raise UsageError(
                "this lab has no students", hint="only a lab.yaml with 'class' has students"
            )
        return lab
    from labctl.classroom.room import Classroom

    room = Classroom.open(workspace, given, emit=emit, passwords=passwords, read_only=read_only)
    room.choose(options.students or ())
    if classes:
        return room
    if len(room.students) != 1:
        first = room.students[0].id
        raise UsageError(
            "this lab.yaml describes a class, and the command works on one student's lab",
            hint=msg("choose the student, such as --student {student}", student=first),
        )
    return room.student_lab(room.students[0])


def by_student(
    lab: Lab,
    limit: Iterable[str],
    work: Callable[[Lab, Iterable[str]], Sequence[Result[T]]],
) -> list[Result[T]]:
    """Do something to the chosen nodes of a lab; in a class, to each student's lab.

    Parameters:
        lab: the lab, or a `Classroom`.
        limit: names or patterns of nodes; none: all.
        work: does it, with a lab and the names or patterns of nodes there.

    Returns:
        The results of all nodes.
    """
    if not lab.is_class:
        return list(work(lab, limit))
    from labctl.classroom.room import Classroom

    assert isinstance(lab, Classroom)
    return lab.on_students(work, limit)


def recorded(context: typer.Context, emit: Emit, logs: Path) -> Emit:
    """Return what takes the events of this run, and records them if the command is recorded.

    Parameters:
        context: of the command.
        emit: takes the events.
        logs: the lab's folder of logs.
    """
    from labctl.cli.output.run_log import RunLog
    from labctl.cli.recorded import RECORDED

    command = context.info_name or ""
    if command not in RECORDED:
        return emit
    options: Globals = context.obj
    log = options.log if isinstance(options.log, RunLog) else RunLog(logs, command, sys.argv[1:])
    options.log = log

    def both(event: Event) -> None:
        emit(event)
        log(event)

    return both


def change_nodes(
    context: typer.Context,
    as_json: bool,
    nodes: Iterable[str] | None,
    work: Callable[[Lab, Iterable[str]], Sequence[Result[None]]],
    done: Callable[[str], str],
) -> None:
    """Open the lab, do something to its nodes, and print how it ended for each.

    Parameters:
        context: of the command.
        as_json: the command's own ``--json``.
        nodes: names or patterns; none: all.
        work: does it to the nodes of a lab.
        done: returns the line for a node that succeeded.

    Raises:
        typer.Exit: a node failed; with its exit code.
    """
    from labctl.cli.output.tables import print_ended

    with_json(context, as_json)
    with sink(context) as emit:
        results = by_student(open_lab(context, emit, classes=True), nodes or (), work)
    print_ended(context.obj, results, done)


def ask_passwords(
    context: typer.Context,
    login: bool,
    sudo: bool,
    limit: Iterable[str] | None = None,
    flags: Mapping[str, tuple[object, str]] | None = None,
) -> Passwords:
    """Ask for the passwords that the user wants to be asked for.

    A question names the hosts that get the password. It comes before a live table is opened, which
    would draw over it. Without a terminal, each password is a line of stdin.

    Parameters:
        context: of the command.
        login: ask for the ssh password.
        sudo: ask for the sudo password; if the answer is empty, it is the ssh password.
        limit: names or patterns of the nodes that the command works on; none: all.
        flags: as for `open_lab`.

    Raises:
        UsageError: there is no terminal, and nothing on stdin.
    """
    if not (login or sudo):
        return NO_PASSWORDS
    lab = open_lab(context, lambda event: None, flags, new=True, read_only=True, classes=True)
    hosts = ", ".join(_login(lab, name) for name in lab.select(limit or ()))
    given: str | None = None
    if login:
        given = _ask(_("ssh password for {hosts}", hosts=hosts))
    if not sudo:
        return Passwords(given)
    question = _("sudo password for {hosts}", hosts=hosts)
    if given is not None:
        question = _("sudo password for the same hosts (empty: the ssh password)")
    return Passwords(given, _ask(question, default=given))


def _ask(question: str, default: str | None = None) -> str:
    """Return the answer to a question for a password; `default` is what an empty one means."""
    if _has_terminal():
        shown: dict[str, Any] = {} if default is None else {"default": "", "show_default": False}
        answer = str(typer.prompt(question, hide_input=True, err=True, **shown))
    else:
        answer = sys.stdin.readline().rstrip("\r\n")
    if answer or default is not None:
        return answer or str(default)
    raise UsageError(
        msg("entering the {question} needs a terminal", question=question),
        hint="run the command in a terminal, or write the password to its standard input",
    )


def _has_terminal() -> bool:
    """Return whether the user can be asked for a password."""
    if is_terminal(sys.stdin) or os.name == "nt":
        return is_terminal(sys.stdin)
    try:
        os.close(os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY))
    except OSError:
        return False
    return True


def _login(lab: Lab, name: str) -> str:
    """Return a node's name and where labctl logs in for it."""
    try:
        target = lab.target(name)
    except MachineError:  # it has not been brought up
        return name
    user = f"{target.user}@" if target.user else ""
    port = f":{target.port}" if target.port != 22 else ""
    return f"{name} ({user}{target.host}{port})"


def confirm(yes: bool, danger: str, question: str) -> None:
    """Ask before something is lost.

    Parameters:
        yes: the user has agreed already.
        danger: what would be lost, for the error if no terminal can prompt.
        question: the question.

    Raises:
        UsageError: a question is impossible, because stdin is not a terminal.
        typer.Exit: the user declined; with exit code 1.
    """
    if yes:
        return
    if not is_terminal(sys.stdin):
        raise UsageError(danger, hint="pass --yes to skip confirmation")
    if not typer.confirm(_(question), err=True):
        say(_("nothing was changed"), err=True)
        raise typer.Exit(1)
