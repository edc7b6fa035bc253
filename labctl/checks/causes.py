"""Causes that break many checks of a node at once, such as a full disk.

After a failed check, a short script looks for them. All checks that such a cause breaks share its
explanation, so people read one line instead of ten.
"""

from __future__ import annotations

import re
from typing import Protocol

from labctl.checks.explanation import HEAL, PROVISION, Explanation
from labctl.errors import RemoteError
from labctl.messages import Message, msg
from labctl.storage import read_script

PROBE = read_script(__file__, "causes.sh")
JOURNAL = "journalctl --unit docker --unit containerd --lines 40 --no-pager --output cat"

_FATAL = re.compile(r"failed to start|unable to configure|level=fatal|\bfatal:|Error: ", re.I)
_QUOTED = re.compile(r'msg="((?:[^"\\]|\\.)*)"')
_FULL = "no space left on device"

_STATES: dict[str, Message] = {
    "inactive": msg("its service is stopped"),
    "failed": msg("its service cannot start"),
    "activating": msg("its service starts again and again"),
    "deactivating": msg("its service is being stopped"),
    "unknown": msg("its service does not exist"),
    "active": msg("its service runs, but does not listen on its socket"),
}


class Shell(Protocol):
    """Runs commands on a node; `labctl.remote.shell.ShellSession` does."""

    def run(self, command: str) -> tuple[int, bytes, bytes]: ...

    def run_as_root(self, command: str) -> tuple[int, bytes, bytes]: ...


def find(shell: Shell, user: str) -> list[Explanation]:
    """Return what is wrong with the node as a whole, the deepest cause first.

    Parameters:
        shell: runs commands on the node.
        user: the lab's user there.
    """
    try:
        _, out, _ = shell.run(PROBE)
        return list(_read(out.decode("utf-8", "replace"), shell, user))
    except RemoteError as error:
        return [lost(error)]


def lost(error: RemoteError) -> Explanation:
    """Return the explanation for a node that no longer answers."""
    return Explanation(msg("the node does not answer"), error.message, HEAL, needs_engine=False)


def explain(causes: list[Explanation], own: Explanation, evidence: str) -> Explanation:
    """Return the cause that explains a failed check, or else the check's own explanation.

    Parameters:
        causes: what `find` found.
        own: of the check.
        evidence: what the check and its commands said.
    """
    for cause in causes:
        if not cause.needs_engine or own.needs_engine or _FULL in evidence.lower():
            return cause
    return own


def _read(text: str, shell: Shell, user: str) -> list[Explanation]:
    found: list[Explanation] = []
    for line in dict.fromkeys(text.splitlines()):
        word, _, value = line.partition(" ")
        if word in ("disk", "files"):
            free, _, mount = value.partition(" ")
            why = (
                msg("{mount} has {free} MB left", mount=mount, free=free)
                if word == "disk"
                else msg("{mount} can hold {free} more files", mount=mount, free=free)
            )
            prune = "labctl ssh {node} -- docker system prune --force"
            found.append(Explanation(msg("the disk is full"), why, prune))
        elif word == "engine":
            found.append(_engine(value, shell, user))
    return found


def _engine(state: str, shell: Shell, user: str) -> Explanation:
    if state == "missing":
        return Explanation(msg("Docker is not installed"), "", PROVISION)
    if state == "silent":
        return Explanation(msg("Docker does not answer"), msg("no answer within 15 s"), HEAL)
    if state == "denied":
        why = msg("{user} is not in the group docker", user=user)
        return Explanation(msg("{user} may not use Docker", user=user), why, PROVISION)
    why = _STATES.get(state, _STATES["inactive"])
    if state in ("failed", "activating") and (said := _journal(shell)):
        why = msg("{what}: {why}", what=why, why=said)
    return Explanation(msg("Docker is not running"), why, PROVISION)


def _journal(shell: Shell) -> str:
    """Return the line in which the engine says why it does not start; empty if it has none."""
    try:
        _, out, _ = shell.run_as_root(JOURNAL)
    except RemoteError:
        return ""
    lines = [line for line in out.decode("utf-8", "replace").splitlines() if _FATAL.search(line)]
    if not lines:
        return ""
    quoted = _QUOTED.search(lines[-1])
    return (quoted.group(1).replace('\\"', '"') if quoted else lines[-1])[:300]
