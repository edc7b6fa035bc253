"""`labctl logs`."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

import typer

from labctl.cli import completion
from labctl.cli.i18n.locale import _
from labctl.cli.options import Json, with_json
from labctl.cli.output.terminal import printable, say, say_json
from labctl.cli.recorded import RECORDED
from labctl.cli.session import open_lab
from labctl.config.nearest import suggestion
from labctl.messages import msg
from labctl.storage import opener

if TYPE_CHECKING:
    from pathlib import Path

    from labctl.cli.options import Globals
    from labctl.lab.lab import Lab

_PAUSE = 0.3
"""Seconds between two reads while a log is followed."""

_OUTPUT = {"verify": "verify", "rehearse": "rehearse"}
"""The complete output of a node, by command. All others write Vagrant's."""


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("logs")(logs)


def logs(
    context: typer.Context,
    words: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[NODE] [COMMAND]",
            help="Only this node; only this command.",
            autocompletion=completion.nodes_and_commands,
        ),
    ] = None,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Continue to print new lines until Ctrl-C.")
    ] = False,
    show: Annotated[bool, typer.Option("--list", help="List the recorded runs.")] = False,
    as_json: Json = False,
) -> None:
    """Show what the last run did.

    With a node, its lines come first, then its complete output: of Vagrant, the checks or the
    exercises. Each command keeps its last five runs in .labctl/logs.
    """
    with_json(context, as_json)
    lab = open_lab(context, lambda event: None, classes=True)
    node, command = _chosen(lab, words or [])
    if show:
        _list(context.obj, lab)
        return
    path = _newest(lab, command)
    for line in _about(node, _lines(path, follow=follow)):
        _print(context.obj, path, line)
    of, name = lab, node
    if node and lab.is_class:
        from labctl.cli.commands.ssh import of_student

        of, name = of_student(lab, node)
    output = of.workspace.log(name, _OUTPUT.get(path.stem, "vagrant")) if node else None
    if output is not None and output.is_file():
        if not context.obj.as_json:
            say("\n" + _("complete output: {path}", path=output))
        with open(output, encoding="utf-8", errors="replace", opener=opener) as file:
            for line in file:
                _print(context.obj, output, line.rstrip("\n"))


def _chosen(lab: Lab, words: list[str]) -> tuple[str, str]:
    """Return the node and the command that the words mean, in any order; empty if not named.

    Raises:
        UsageError: a word is neither, or there are two of a kind.
    """
    from labctl.errors import UsageError

    node = command = ""
    for word in words:
        if word in lab.node_names and not node:
            node = word
        elif word in RECORDED and not command:
            command = word
        elif word in (*lab.node_names, *RECORDED):
            raise UsageError(msg("{word}: at most one node and one command", word=word))
        else:
            known = msg(
                "nodes: {nodes}; commands: {commands}",
                nodes=", ".join(lab.node_names),
                commands=", ".join(RECORDED),
            )
            raise UsageError(
                msg("'{word}' is neither a node of this lab nor a recorded command", word=word),
                hint=suggestion(word, (*lab.node_names, *RECORDED), known),
            )
    return node, command


def _newest(lab: Lab, command: str) -> Path:
    from labctl.errors import LabctlError

    names = [command] if command else list(RECORDED)
    paths = [lab.workspace.logs / f"{name}.log" for name in names]
    found = [path for path in paths if path.is_file()]
    if not found:
        raise LabctlError(
            msg("no run of `labctl {command}` is recorded", command=command)
            if command
            else msg("no run is recorded"),
            hint="`labctl logs --list` lists the recorded runs" if command else "",
        )
    return max(found, key=lambda path: path.stat().st_mtime_ns)


def _list(options: Globals, lab: Lab) -> None:
    from labctl.cli.output.table import print_table

    paths = [p for name in RECORDED for p in lab.workspace.logs.glob(f"{name}*.log")]
    rows = []
    for path in sorted(paths, key=lambda path: path.stat().st_mtime_ns, reverse=True):
        with open(path, encoding="utf-8", errors="replace", opener=opener) as file:
            line = file.readline().removeprefix("# ").strip()
            when = file.readline().removeprefix("# ").partition(",")[0].strip()
        rows.append([when, line, str(path)])
    if options.as_json:
        for when, line, place in rows:
            data = {"event": "run", "when": when, "command": line, "log": place}
            say_json(data)
    elif rows:
        shown = [[printable(cell) for cell in row] for row in rows]
        print_table([_("when"), _("command"), _("log")], shown, spare=(2,))
    else:
        say(_("no run is recorded"))


def _lines(path: Path, *, follow: bool) -> Iterator[str]:
    """Yield the lines of a log; with `follow`, also those to come, of later runs too."""
    while True:
        with open(path, encoding="utf-8", errors="replace", opener=opener) as file:
            identity = path.stat().st_ino
            while True:
                if line := file.readline():
                    yield line.rstrip("\n")
                elif not follow:
                    return
                elif not path.exists() or path.stat().st_ino != identity:
                    break  # a new run has begun
                else:
                    sys.stdout.flush()
                    time.sleep(_PAUSE)
        while not path.exists():
            time.sleep(_PAUSE)


def _about(node: str, lines: Iterator[str]) -> Iterator[str]:
    """Yield the lines about a node, with those that continue them; all lines without a node."""
    ours = True
    for line in lines:
        if not line.startswith("    "):
            ours = not node or line.startswith("#") or line[9:].startswith(f"{node}: ")
        if ours:
            yield line


def _print(options: Globals, path: Path, line: str) -> None:
    if options.as_json:
        data = {"event": "log", "log": str(path), "line": line}
        say_json(data)
    else:
        say(printable(line))
