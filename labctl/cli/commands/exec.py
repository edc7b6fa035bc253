"""`labctl exec`: one command on many nodes at once."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import typer

from labctl.cli.commands.ssh import command_line
from labctl.cli.i18n.locale import _
from labctl.cli.options import AskPass, AskSudo, Json, Limit, with_json
from labctl.cli.output.terminal import printable, say, say_json
from labctl.cli.session import ask_passwords, notices, open_lab

if TYPE_CHECKING:
    from labctl.parallel import Result


def register(app: typer.Typer) -> None:
    """Add the command."""
    # Everything after the first word belongs to the command, including options.
    settings = {"ignore_unknown_options": False, "allow_interspersed_args": False}
    app.command("exec", context_settings=settings)(execute)


@dataclass(frozen=True, slots=True)
class Executed:
    """The result of a command on a node; without output if that was printed line by line."""

    exit_code: int
    stdout: str
    stderr: str
    seconds: float


def execute(
    context: typer.Context,
    words: Annotated[list[str], typer.Argument(metavar="WORD...", help="What to run.")],
    limit: Limit = None,
    sudo: Annotated[bool, typer.Option("--sudo", help="Run it as root.")] = False,
    ask_pass: AskPass = False,
    ask_sudo_password: AskSudo = False,
    as_json: Json = False,
) -> None:
    """Run a command on all nodes at once, or on some.

    One argument runs in the node's shell; several run directly, as a program and its arguments.
    Each line of output starts with its node. The exit code is 0 if the command succeeds on every
    node, the command's own for a single node, and otherwise 1.
    """
    from labctl.parallel import each

    with_json(context, as_json)
    passwords = ask_passwords(context, ask_pass, ask_sudo_password, limit)
    lab = open_lab(context, notices(context), passwords=passwords, classes=True)
    nodes = lab.select(limit or ())
    lab.workspace.make()
    command = command_line(words[1:] if words[0] == "--" else words)
    width = max(map(len, nodes))
    guard = threading.Lock()
    collect: bool = context.obj.as_json
    root = sudo or ask_sudo_password
    unwritable: list[OSError] = []

    def work(node: str) -> Executed:
        prefix = f"{node.ljust(width)} | ".encode()
        out = Lines(prefix, lambda: sys.stdout.buffer, guard, keep=collect)
        err = Lines(prefix, lambda: sys.stderr.buffer, guard, keep=collect)
        began = time.monotonic()
        try:
            try:
                with lab.connection(node) as connection:
                    code = connection.stream(command, out.take, err.take, root=root)
            finally:
                out.end()
                err.end()
        except Unwritable as error:
            unwritable.append(error.error)
            lab.stop.request()  # nobody reads the output of other nodes
            raise
        return Executed(code, out.text, err.text, time.monotonic() - began)

    results = each(nodes, work, cap=lab.parallel, stop=lab.stop)
    if unwritable:
        raise unwritable[0]  # `main` reports it, unless a reader such as `head` has ended
    for result in results:
        _show(result, as_json=collect)
    codes = [1 if result.value is None else result.value.exit_code for result in results]
    if any(codes):
        raise typer.Exit(codes[0] if len(codes) == 1 else 1)


LONGEST_LINE = 1 << 16
"""Bytes after which a line is broken, so that a line without end doesn't fill the memory."""


class Unwritable(Exception):
    """stdout or stderr of this process cannot be written to; `error` has the reason."""

    def __init__(self, error: OSError) -> None:
        super().__init__(str(error))
        self.error = error


class Lines:
    """Prints output in whole lines, each with a prefix; or collects it.

    On a terminal, lines are cleaned. In a file or a pipe they are as the node wrote them.

    Parameters:
        prefix: of each line.
        stream: returns the stream to print to.
        guard: held while lines are printed.
        keep: keep all of it in `text` and print nothing.
    """

    def __init__(
        self, prefix: bytes, stream: Callable[[], Any], guard: threading.Lock, *, keep: bool
    ) -> None:
        self._prefix = prefix
        self._stream = stream
        self._guard = guard
        self._keep = keep
        self._rest = b""
        from labctl.remote.channel import Kept  # paramiko takes time to import

        self._kept = Kept()

    def take(self, data: bytes) -> None:
        """Take the next bytes.

        Raises:
            Unwritable: they cannot be printed.
            Flood: they are too many to keep.
        """
        if self._keep:
            self._kept.take(data)
            return
        *lines, self._rest = (self._rest + data).split(b"\n")
        while len(self._rest) > LONGEST_LINE:
            lines.append(self._rest[:LONGEST_LINE])
            self._rest = self._rest[LONGEST_LINE:]
        if lines:
            self._print(lines)

    def end(self) -> None:
        """Print a last line that has no end."""
        rest, self._rest = self._rest, b""
        if rest:
            self._print([rest])

    @property
    def text(self) -> str:
        """The collected output."""
        return self._kept.decode("utf-8", "replace")

    def _print(self, lines: list[bytes]) -> None:
        with self._guard:
            stream = self._stream()
            try:
                on_terminal = stream.isatty()
                for line in lines:
                    shown = line.rstrip(b"\r")
                    if on_terminal:
                        shown = printable(shown.decode("utf-8", "replace")).encode()
                    stream.write(self._prefix + shown + b"\n")
                stream.flush()
            except OSError as error:
                raise Unwritable(error) from error


def _show(result: Result[Executed], *, as_json: bool) -> None:
    from labctl.cli.output import errors

    ran = result.value
    if as_json:
        data: dict[str, Any] = {"event": "executed", "node": result.node}
        if ran is not None:
            data |= {
                "exit_code": ran.exit_code,
                "stdout": ran.stdout,
                "stderr": ran.stderr,
                "seconds": round(ran.seconds, 3),
            }
        if result.error is not None:
            data["error"] = errors.as_json(result.error)
        say_json(data)
        return
    if result.error is not None:
        errors.print_error(result.error)
    elif ran is not None and ran.exit_code:
        code = _("{node}: exit code {code}", node=result.node, code=ran.exit_code)
        say(code, fg="red", err=True)
