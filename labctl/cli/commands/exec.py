"""`labctl exec`: one command on many nodes at once."""

from __future__ import annotations

import json
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import typer

from labctl.cli.commands.ssh import command_line
from labctl.cli.i18n.locale import _
from labctl.cli.options import AskSudo, Json, Limit, with_json
from labctl.cli.session import ask_password, notices, open_lab
from labctl.messages import msg

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
    words: Annotated[list[str], typer.Argument(metavar="WORD", help="What to run.")],
    limit: Limit = None,
    sudo: Annotated[bool, typer.Option("--sudo", help="Run it as root.")] = False,
    ask_sudo_password: AskSudo = False,
    as_json: Json = False,
) -> None:
    """Run a command on all nodes at once, or on some.

    labctl exec -- docker ps -a

    labctl exec --limit 'docker-node[12]' 'docker ps | wc -l'

    One argument runs in the node's shell; several run directly, as a program and its arguments.
    Each line of output starts with its node. The exit code is 0 if the command succeeds on every
    node, the command's own for a single node, and otherwise 1.
    """
    from labctl.errors import LabctlError
    from labctl.parallel import each

    with_json(context, as_json)
    password = ask_password(context, ask_sudo_password, limit)
    lab = open_lab(context, notices(context), sudo_password=password)
    nodes = lab.select(limit or ())
    lab.workspace.make()
    command = command_line(words[1:] if words[0] == "--" else words)
    width = max(map(len, nodes))
    guard = threading.Lock()
    collect: bool = context.obj.as_json
    root = sudo or ask_sudo_password

    def work(node: str) -> Executed:
        prefix = f"{node.ljust(width)} | ".encode()
        out = Lines(prefix, lambda: sys.stdout.buffer, guard, keep=collect)
        err = Lines(prefix, lambda: sys.stderr.buffer, guard, keep=collect)
        began = time.monotonic()
        try:
            with lab.connection(node) as connection:
                code = connection.stream(command, out.take, err.take, root=root)
            out.end()
            err.end()
        except Unwritable:
            lab.stop.request()  # nobody reads the output of other nodes
            raise
        return Executed(code, out.text, err.text, time.monotonic() - began)

    try:
        results = each(nodes, work, cap=lab.parallel, stop=lab.stop)
    except Unwritable as unwritable:
        error = unwritable.error
        if isinstance(error, BrokenPipeError):
            raise error from None  # as with `| head`; the command line ends quietly then
        raise LabctlError(
            msg("the output cannot be written: {reason}", reason=error.strerror or error),
            hint="free space where the output is written",
        ) from error
    for result in results:
        _show(result, as_json=collect)
    codes = [1 if result.value is None else result.value.exit_code for result in results]
    if any(codes):
        raise typer.Exit(codes[0] if len(codes) == 1 else 1)


class Unwritable(Exception):
    """stdout or stderr of this process cannot be written to; `error` has the reason."""

    def __init__(self, error: OSError) -> None:
        super().__init__(str(error))
        self.error = error


class Lines:
    """Prints output in whole lines, each with a prefix; or collects it.

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

    def take(self, data: bytes) -> None:
        """Take the next bytes.

        Raises:
            Unwritable: they cannot be printed.
        """
        self._rest += data
        if not self._keep and b"\n" in data:
            *lines, self._rest = self._rest.split(b"\n")
            self._print(lines)

    def end(self) -> None:
        """Print a last line that has no end."""
        if self._rest and not self._keep:
            self._print([self._rest])
            self._rest = b""

    @property
    def text(self) -> str:
        """The collected output."""
        return self._rest.decode("utf-8", "replace")

    def _print(self, lines: list[bytes]) -> None:
        text = b"".join(self._prefix + line.rstrip(b"\r") + b"\n" for line in lines)
        with self._guard:
            stream = self._stream()
            try:
                stream.write(text)
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
        sys.stdout.write(json.dumps(data, ensure_ascii=False) + "\n")
        return
    if result.error is not None:
        first, *rest = errors.lines(result.error)
        typer.secho(_("error: "), fg="red", bold=True, err=True, nl=False)
        typer.echo("\n".join([first, *rest]), err=True)
    elif ran is not None and ran.exit_code:
        code = _("{node}: exit code {code}", node=result.node, code=ran.exit_code)
        typer.secho(code, fg="red", err=True)
