"""What a resource is: a value that knows how to look and how to mend, and that touches nothing.

`probe` returns a read-only script, `plan` compares what it saw with what is wanted. Neither reaches
a machine, so a table of cases tests a resource without one, and a dry run needs no code of its own.
"""

from __future__ import annotations

import difflib
import shlex
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from labctl.remote.exchange import Observed

__all__ = [
    "PENDING",
    "Change",
    "Observed",
    "PeerQuery",
    "Resource",
    "printer",
    "quote",
    "text_diff",
]

PENDING = "/var/lib/labctl/pending"
"""Folder on a node that holds, for each service, what must be loaded by a restart or a reload."""


@dataclass(frozen=True, slots=True)
class PeerQuery:
    """Something that a change has to hear from another node first.

    If that node takes part in the run, it is waited for until it has all that `playbook` and the
    playbooks before that want. Nothing is asked where nothing has to be changed.

    Parameters:
        node: the node to ask.
        playbook: what the other node must have come through.
        script: POSIX sh, run there as root, that tells on stdout; it may make ready what is asked
            for, and is repeated for a minute while it fails. Empty: the waiting was all.
        secret: its answer is for the change alone, and is shown nowhere.
        instead: what is asked where that node failed, or cannot answer.
    """

    node: str
    playbook: str
    script: str = ""
    secret: bool = False
    instead: PeerQuery | None = None


@dataclass(frozen=True, slots=True)
class Change:
    """What has to be done about a resource.

    Parameters:
        summary: a few words for people, in the imperative: "install docker-ce 19.03.9".
        script: POSIX sh that does it, run as root; a non-zero exit is a failure.
        diff: what will be different, as unified diff or as lines that begin with - and +.
        ask: what another node must tell first; the script finds it in the variable ``answer``.
    """

    summary: str
    script: str
    diff: str = ""
    ask: PeerQuery | None = None


@runtime_checkable
class Resource(Protocol):
    """One thing on a node that should be in a certain state."""

    @property
    def id(self) -> str:
        """What it is, unique within a run: ``file:/etc/docker/daemon.json``."""
        ...

    def probe(self) -> str:
        """Return POSIX sh that looks and changes nothing. A non-zero exit is an observation."""
        ...

    def plan(self, observed: Observed) -> Change | None:
        """Compare what `probe` saw with what is wanted; None where nothing needs doing.

        Raises:
            ValueError: what was seen cannot be understood, or the wanted state cannot be reached
                from there; the text says why.
        """
        ...


def quote(text: str) -> str:
    """Return `text` as one word of POSIX sh."""
    return shlex.quote(text)


def printer(text: str) -> str:
    """Return a command that writes `text`, byte for byte, to stdout.

    printf with a quoted argument is used rather than a here-document: it cannot be ended early by
    a line of the text, and it needs no temporary file.
    """
    return f"printf %s {quote(text)}"


def text_diff(old: str, new: str, name: str) -> str:
    """Return the unified diff from `old` to `new`, headed by `name`; empty where they are equal."""
    lines = difflib.unified_diff(
        old.splitlines(), new.splitlines(), f"{name} (on the node)", f"{name} (wanted)", lineterm=""
    )
    return "\n".join(lines)
