"""Runs many shell snippets in one round trip, each with its own result.

Provisioning over ssh is slow if every task takes a round trip. Here one script carries all
snippets. Each is evaluated in a subshell, so its `exit`, `set -e`, `cd`, variables and even syntax
errors don't affect the others. Its output is sent unchanged, followed by a frame with a random
token and the exit code. The framing forks no process, because forks are slow on emulated machines.
An answer without its frame is an error.

A snippet may leave a process running, such as a daemon that a change starts. That process could
write into the outputs of the snippets that follow. So the script ends there, and the rest are sent
again, as another script with an output of its own.
"""

from __future__ import annotations

import secrets
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from labctl.errors import ProtocolError
from labctl.messages import msg
from labctl.storage import read_script

BACKGROUND = read_script(__file__, "background.sh")
"""Functions that find processes which a command left running."""

_SCRIPT = BACKGROUND + read_script(__file__, "exchange.sh") + "LC_ALL=C; export LC_ALL\n"


@dataclass(frozen=True, slots=True)
class Observed:
    """The result of a snippet: its exit code, and its stdout and stderr in one text.

    Bytes that are not UTF-8 are kept as surrogate escapes, so that a file can be read and written
    back without a change.
    """

    exit_code: int
    output: str

    @property
    def ok(self) -> bool:
        """True if the exit code is 0. Another exit code is also a result, not an error."""
        return self.exit_code == 0

    @property
    def text(self) -> str:
        """The output for people and for JSON: bytes that are not UTF-8 appear as ``\\xNN``."""
        return legible(self.output)


def legible(text: str) -> str:
    """Return `text` without surrogate escapes, which files and terminals reject."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


TIMED_OUT = 124
"""Exit code of a `limited` snippet that was ended."""


def limited(snippet: str, seconds: int) -> str:
    """Return a snippet that runs `snippet` in a shell of its own, and ends it after a time.

    The text goes through a here-document, because one argument of a program may be too short for
    it.
    """
    mark = "LABCTL_" + secrets.token_hex(8)
    reader = shlex.quote('eval "$(cat <&3)" 3<&-')
    return f"timeout -k 10 {seconds} sh -c {reader} 3<<'{mark}'\n{snippet}\n{mark}"


PROXY_FILE = "/etc/labctl-proxy.env"
"""On a node: the proxy of lab.yaml, as lines NAME=VALUE; the playbook `proxy` writes it."""
PROXY_VARIABLES = (
    *("http_proxy", "https_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY"),
    "LABCTL_PROXY",
)
"""The names in that file. The last one marks variables that came from it."""
# A session may have been opened before the file was written, changed or removed.
ENVIRONMENT = f"""\
if [ -r {PROXY_FILE} ]; then
  while IFS= read -r line; do
    case $line in [A-Za-z]*=*) export "$line" ;; esac
  done <{PROXY_FILE}
  unset line
elif [ -n "${{LABCTL_PROXY:-}}" ]; then
  unset {" ".join(PROXY_VARIABLES)}
fi
"""


class Shell(Protocol):
    """A root shell on some machine."""

    @property
    def name(self) -> str:
        """The node's name, for messages."""
        ...

    def run(self, script: str) -> bytes:
        """Run a POSIX sh script as root; return what it wrote to stdout.

        Raises:
            RemoteError: the machine could not be reached, or the user may not become root.
        """
        ...


def compose(snippets: Sequence[str], token: str, *, gate: bool = False) -> str:
    """Return the script that runs `snippets` in order and frames each result with `token`.

    The snippets have the variables of `PROXY_FILE`, if the node has this file.
    The script ends after a snippet that left a process running. With `gate` it also ends after the
    first snippet if that fails.
    """
    parts = [_SCRIPT, ENVIRONMENT]
    for index, snippet in enumerate(snippets):
        word = " gate" if gate and not index else ""
        parts.append(f"labctl_begin; ( eval {shlex.quote(snippet)} ) 2>&1 </dev/null\n")
        parts.append(f"labctl_end {token}{word}\n")
    return "".join(parts)


def parse(
    raw: bytes, token: str, count: int, node: str = "", *, gate: bool = False
) -> list[Observed]:
    """Return the results in an answer to `count` snippets.

    They are fewer than `count` if the last of them left a process running. With `gate`, it is a
    single result if that is a failure.

    Raises:
        ProtocolError: there are more frames than snippets, or the answer was cut off.
    """
    results: list[Observed] = []
    rest = raw
    mark = f"\n{token} ".encode()
    goes_on = True
    while goes_on:
        body, found, rest = rest.partition(mark)
        if not found:
            break
        frame, end, rest = rest.partition(b"\n")
        code, _, more = frame.partition(b" ")
        if not end or not code.isdigit() or len(code) > 3 or more not in (b"0", b"1"):
            break
        results.append(Observed(int(code), body.decode("utf-8", "surrogateescape")))
        goes_on = more == b"1"
    if results and (not goes_on or (gate and len(results) == 1 and not results[0].ok)):
        count = min(count, len(results))
    if len(results) != count:
        tail = (body or raw).decode("utf-8", "replace").strip()
        raise ProtocolError(
            msg("only {count} of {expected} results arrived", count=len(results), expected=count),
            node=node,
            details=tail[-2000:],
            hint="the connection broke, or the node went down; run the same command again",
        )
    return results


def exchange(shell: Shell, snippets: Sequence[str], *, gate: bool = False) -> list[Observed]:
    """Run every snippet on the node, in one round trip unless one leaves a process running.

    Parameters:
        shell: the root shell to run them in. Each script has an output of its own.
        snippets: POSIX sh, each run in a subshell with /dev/null as its stdin.
        gate: run the others only if the first ends with 0.

    Returns:
        One result for each snippet, in order; only the first if it is the gate and failed.

    Raises:
        ProtocolError: the answer was cut off.
        RemoteError: the node could not be reached.
    """
    token = secrets.token_hex(16)
    results: list[Observed] = []
    while len(results) < len(snippets):
        rest = snippets[len(results) :]
        guarded = gate and not results
        answer = shell.run(compose(rest, token, gate=guarded))
        results += parse(answer, token, len(rest), shell.name, gate=guarded)
        if gate and not results[0].ok:
            break
    return results
