"""Many shell snippets in one round trip, each with its own result.

A round trip a task is what makes provisioning over ssh slow. Here one script carries all snippets;
each is evaluated in a subshell of its own, so that its `exit`, `set -e`, `cd` and variables are its
own, and even a syntax error ends only itself. Its output goes out as it is (the channel is no
terminal and carries bytes unchanged), followed by a frame that holds a random token and the exit
code. Nothing is forked for the framing, which matters on emulated machines, and an answer without
its frame is an error rather than a guess.
"""

from __future__ import annotations

import secrets
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from labctl.errors import ProtocolError
from labctl.messages import msg


@dataclass(frozen=True, slots=True)
class Observed:
    """What a snippet did: its exit code, and its stdout and stderr in one text.

    Bytes that are not UTF-8 are kept as surrogate escapes, so that a file which was read this way
    can be written back with every byte of it.
    """

    exit_code: int
    output: str

    @property
    def ok(self) -> bool:
        """Whether the exit code was 0. Any other is an observation too, not an error."""
        return self.exit_code == 0

    @property
    def text(self) -> str:
        """The output for people and for JSON: what is no UTF-8 is shown as ``\\xNN``."""
        return legible(self.output)


def legible(text: str) -> str:
    """Return `text` without surrogate escapes, which no file and no terminal takes."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


class Shell(Protocol):
    """A root shell on some machine."""

    @property
    def name(self) -> str:
        """The node's name, for messages."""
        ...

    def run(self, script: str) -> bytes:
        """Run a POSIX sh script as root; return what it wrote to stdout.

        Raises:
            RemoteError: the machine could not be reached, or root could not be had.
        """
        ...


def compose(snippets: Sequence[str], token: str, *, gate: bool = False) -> str:
    """Return the script that runs `snippets` in order and frames each result with `token`.

    With `gate` the script ends behind the first of them, if that fails.
    """
    lines = ["LC_ALL=C; export LC_ALL"]
    for index, snippet in enumerate(snippets):
        lines.append(f"( eval {shlex.quote(snippet)} ) 2>&1 </dev/null")
        if gate and not index:
            lines.append(f"code=$?; printf '\\n%s %s\\n' {token} $code; [ $code = 0 ] || exit 0")
        else:
            lines.append(f"printf '\\n%s %s\\n' {token} $?")
    return "\n".join(lines) + "\n"


def parse(
    raw: bytes, token: str, count: int, node: str = "", *, gate: bool = False
) -> list[Observed]:
    """Split what came back into `count` results; with `gate` into one, where that is a failure.

    Raises:
        ProtocolError: fewer or more frames than snippets: the answer was cut off.
    """
    results: list[Observed] = []
    rest = raw
    mark = f"\n{token} ".encode()
    while True:
        body, found, rest = rest.partition(mark)
        if not found:
            break
        code, end, rest = rest.partition(b"\n")
        if not end or not code.isdigit():
            break
        results.append(Observed(int(code), body.decode("utf-8", "surrogateescape")))
    if gate and len(results) == 1 and not results[0].ok:
        return results
    if len(results) != count:
        tail = (body or raw).decode("utf-8", "replace").strip()
        raise ProtocolError(
            msg("only {count} of {expected} results arrived", count=len(results), expected=count),
            node=node,
            details=tail[-2000:],
            hint="the connection broke or the node went down; run the same command again",
        )
    return results


def exchange(shell: Shell, snippets: Sequence[str], *, gate: bool = False) -> list[Observed]:
    """Run every snippet on the node in one round trip.

    Parameters:
        shell: the root shell to run them in.
        snippets: POSIX sh, each run in a subshell with /dev/null as its stdin.
        gate: run the others only if the first ends with 0.

    Returns:
        One result for each snippet, in order; the first alone where it failed and is the gate.

    Raises:
        ProtocolError: the answer was cut off.
        RemoteError: the node could not be reached.
    """
    token = secrets.token_hex(16)
    script = compose(snippets, token, gate=gate)
    return parse(shell.run(script), token, len(snippets), shell.name, gate=gate)
