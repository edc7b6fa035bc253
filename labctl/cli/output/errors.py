"""Errors for people and for programs: what failed, on which node, why, and how to fix it."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Callable
from typing import Any

from labctl.cli.i18n.locale import _, is_english
from labctl.cli.options import Globals
from labctl.cli.output.grouping import wrapped
from labctl.cli.output.terminal import printable, say, say_json, screen_width
from labctl.errors import ConvergeError, LabctlError, SpecError, UsageError
from labctl.messages import msg


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
    return [f"{error.node}{_(': ')}{first}" if error.node else first, *rest]


def lines_without_node(error: LabctlError, translate: Callable[..., str] = _) -> list[str]:
    """Return an error as lines of text without the node's name.

    Parameters:
        error: the error.
        translate: gives a text the reader's language.
    """
    _ = translate
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
    _print(lines(error))


def _print(text: list[str]) -> None:
    columns = screen_width(sys.stderr)
    first, *rest = text
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
    context = getattr(error, "ctx", None)
    message = error.format_message()
    if context is not None and message == context.get_help() and not options.as_json:
        say(message, err=True)  # no arguments, where some must be
        return int(error.exit_code)
    hint = (
        msg("`{command} --help` shows how to call it", command=context.command_path)
        if context is not None
        else ""
    )
    if options.as_json:
        render_error(UsageError(message, hint=hint), options)
        return int(error.exit_code)
    if not is_english():
        from labctl.cli.output.help import typers

        message = typers(message)
    message = message[:1].lower() + message[1:].rstrip(".")
    _print([message, *(["  " + _("hint: {hint}", hint=hint)] if hint else [])])
    return int(error.exit_code)
