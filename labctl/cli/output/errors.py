"""Errors for people and for programs: what failed, on which node, why, and how to fix it."""

from __future__ import annotations

import sys
import traceback
from typing import Any

from labctl.cli.i18n.locale import _, is_english
from labctl.cli.options import Globals
from labctl.cli.output.grouping import wrapped
from labctl.cli.output.terminal import printable, say, say_json, screen_width
from labctl.errors import ConvergeError, LabctlError, SpecError, UsageError


def as_json(error: LabctlError) -> dict[str, Any]:
    """Return an error as plain values."""
    data: dict[str, Any] = {
        "event": "error",
        "kind": type(error).__name__,
        "message": error.message,
        "exit_code": error.exit_code,
    }
    optional = {
        "node": error.node,
        "hint": error.hint,
        "details": error.details,
        "log": str(error.log or ""),
        "resource": error.resource if isinstance(error, ConvergeError) else "",
    }
    data |= {key: value for key, value in optional.items() if value}
    if isinstance(error, SpecError):
        data["source"] = error.source
        data["problems"] = [
            {"where": p.where, "line": p.line, "message": p.message, "hint": p.hint}
            for p in error.problems
        ]
    return data


def lines(error: LabctlError) -> list[str]:
    """Return an error as lines of text. The first line does not start with "error"."""
    first, *rest = lines_without_node(error)
    return [f"{error.node}: {first}" if error.node else first, *rest]


def lines_without_node(error: LabctlError) -> list[str]:
    """Return an error as lines of text without the node's name."""
    text = [printable(_(error.message))]
    if isinstance(error, SpecError):
        for problem in error.problems:
            line = _("line {line}: ", line=problem.line) if problem.line else ""
            # A single word is a key of lab.yaml, which is not translated.
            where = _(problem.where) if " " in problem.where else problem.where
            message = _(problem.message)
            text.append(f"  {line}{where}{_(': ')}{message}")
            if problem.hint:
                text.append(f"      {_(problem.hint)}")
    details = _(error.details)
    text += [f"  | {printable(line)}" for line in details.splitlines() if line.strip()]
    if error.hint:
        text.append("  " + _("hint: {hint}", hint=error.hint))
    if error.log:
        text.append("  " + _("log:  {path}", path=error.log))
    return text


def render_error(error: LabctlError, options: Globals) -> None:
    """Print an error to stderr, or as a JSON line to stdout."""
    if options.as_json:
        say_json(as_json(error))
        return
    if options.verbose:
        say("".join(traceback.format_exception(error)), err=True, nl=False)
    print_error(error)


def print_error(error: LabctlError) -> None:
    """Print an error to stderr, wrapped by words on a terminal."""
    columns = screen_width(sys.stderr)
    first, *rest = lines(error)
    head = _("error: ")
    say(head, fg="red", bold=True, err=True, nl=False)
    say(wrapped(head + first, columns)[len(head) :], err=True)
    for line in rest:
        say(wrapped(line, columns), err=True)


def render_usage(error: Any, options: Globals) -> int:
    """Print Typer's error about the command line and return the exit code.

    Parameters:
        error: the exception of Typer.
        options: the global options that could be parsed.
    """
    if options.as_json:
        render_error(UsageError(error.format_message()), options)
    elif is_english():
        error.show()
    else:
        from labctl.cli.output.help import show

        show(error)
    return int(error.exit_code)
