"""`labctl ssh`: OpenSSH's client with the lab's own configuration."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from labctl.cli import completion
from labctl.cli.output.terminal import is_terminal
from labctl.cli.session import notices, open_lab
from labctl.messages import msg

if TYPE_CHECKING:
    from pathlib import Path

    from labctl.lab.lab import Lab


def register(app: typer.Typer) -> None:
    """Add the command."""
    # Everything after the node belongs to the command there, including options.
    settings = {"ignore_unknown_options": True, "allow_interspersed_args": False}
    app.command("ssh", context_settings=settings)(ssh)


def ssh(
    context: typer.Context,
    words: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[NODE] [WORD]...",
            help="The node, and what to run there.",
            autocompletion=completion.nodes,
        ),
    ] = None,
) -> None:
    """Open a shell on a node, or run a command there.

    In a lab with one node you may omit its name. One argument runs in the node's shell; several run
    directly, as a program and its arguments. The exit code is the command's.
    """
    lab = open_lab(context, notices(context), classes=True)
    if lab.is_class and context.obj.students:
        lab = open_lab(context, notices(context))
    name, command = choose(words or [], lab.node_names)
    if lab.is_class:
        lab, name = of_student(lab, name)
    program = shutil.which("ssh")
    if program is None:
        raise typer.Exit(without_client(lab, name, command))
    config = configuration(lab, name)
    terminal = ["-t"] if command and is_terminal(sys.stdin) and is_terminal(sys.stdout) else []
    line = [program, "-F", str(config), *terminal, name, *([command] if command else [])]
    if os.name == "nt":  # where exec returns to the prompt while ssh still runs
        raise typer.Exit(subprocess.run(line, check=False).returncode)
    sys.stdout.flush()
    os.execv(program, line)


def of_student(lab: Lab, name: str) -> tuple[Lab, str]:
    """Return the student's lab and the node in it that ``anna/docker-node1`` means."""
    from labctl.classroom.room import Classroom

    assert isinstance(lab, Classroom)
    return lab.split(name)


def choose(words: list[str], nodes: tuple[str, ...]) -> tuple[str, str]:
    """Return the node and the command line that `words` mean; an empty command means a shell.

    Raises:
        UsageError: no node is named, and the lab has several.
    """
    from labctl.errors import UsageError
    from labctl.lab.selection import unknown_node

    rest = list(words)
    if rest and rest[0] in nodes:
        name = rest.pop(0)
    elif len(nodes) == 1 and not (len(rest) == 1 and _like_a_node(rest[0], nodes[0])):
        name = nodes[0]
    elif rest:
        raise unknown_node(rest[0], nodes)
    else:
        raise UsageError("which node?", hint=msg("available: {names}", names=", ".join(nodes)))
    if rest[:1] == ["--"]:
        rest.pop(0)
    return name, command_line(rest)


def _like_a_node(word: str, node: str) -> bool:
    """Return whether a word is meant for the lab's only node, and not a program to run there."""
    import difflib
    import re

    if not re.fullmatch(r"[A-Za-z0-9.-]+", word):
        return False
    alike = difflib.SequenceMatcher(None, word.lower(), node.lower()).ratio() >= 0.75
    numbers = re.compile(r"\d+")
    return alike or (bool(numbers.search(word)) and numbers.sub("", word) == numbers.sub("", node))


def command_line(words: list[str]) -> str:
    """Return a command line for a shell: a single word unchanged, several words quoted."""
    return words[0] if len(words) == 1 else shlex.join(words)


def configuration(lab: Lab, name: str) -> Path:
    """Return the lab's ssh_config; rewrite it if its entry for `name` is outdated.

    Raises:
        RemoteError: the node's host key is not recorded yet, and the node could not be reached.
    """
    from labctl.errors import AuthFailed
    from labctl.storage import read_again

    lab.workspace.make()
    if lab.hostkeys.get(name) is None:  # ssh refuses a node without one
        try:
            with lab.connection(name) as connection:
                connection.call("true")
        except AuthFailed:
            if lab.hostkeys.get(name) is None:
                raise
            # OpenSSH asks for a password.
    wanted = lab.target(name).ssh_config(lab.workspace.known_hosts)
    path = lab.workspace.ssh_config
    if wanted in read_again(path):
        return path
    return lab.write_ssh_config()


def without_client(lab: Lab, name: str, command: str) -> int:
    """Run a command over labctl's own connection; return its exit code.

    Raises:
        UsageError: the user wants a shell, which needs a client.
    """
    from labctl.errors import UsageError

    if not command:
        raise UsageError(
            "ssh is not installed on this computer",
            hint="install the OpenSSH client; `labctl ssh NODE -- COMMAND` works without it",
        )
    from labctl.remote.channel import Kept

    lab.workspace.make()
    out, err = Kept(), Kept()
    with lab.connection(name) as connection:
        code = connection.stream(command, out.take, err.take)
    sys.stdout.buffer.write(out)
    sys.stdout.flush()
    sys.stderr.buffer.write(err)
    return code
