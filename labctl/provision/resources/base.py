"""The interface of a resource: a value that returns scripts and touches nothing itself.

`probe` returns a read-only script, and `plan` compares its output with the wanted state. Neither
uses a machine, so tables of cases test a resource, and a dry run needs no code of its own.
"""

from __future__ import annotations

import difflib
import functools
import re
import shlex
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from labctl.remote.exchange import Observed
from labctl.storage import read_script

__all__ = [
    "PENDING",
    "Change",
    "Observed",
    "PeerQuery",
    "Resource",
    "quote",
    "shell_script",
    "text_diff",
]

PENDING = "/var/lib/labctl/pending"
"""Folder on a node with a mark for each service that must restart or reload."""


@dataclass(frozen=True, slots=True)
class PeerQuery:
    """A value that a change needs from another node.

    If that node is in this run, labctl first waits until it has finished `playbook`. A resource
    without a change queries no node.

    Parameters:
        node: name of the other node.
        playbook: name of the playbook that the other node must have finished.
        script: POSIX sh, run there as root, that prints the answer. It may prepare the answer, and
            is repeated for a minute while it fails. Empty only waits.
        secret: the answer appears in no message and no log.
        fallback: the query to use if that node failed or does not answer.
    """

    node: str
    playbook: str
    script: str = ""
    secret: bool = False
    fallback: PeerQuery | None = None


@dataclass(frozen=True, slots=True)
class Change:
    """The change that brings a resource into its wanted state.

    Parameters:
        summary: a few words for people, in the imperative: "install docker-ce 19.03.9".
        script: POSIX sh that does it, run as root; a non-zero exit is a failure.
        diff: the difference, as unified diff or as lines that start with - and +.
        query: a value that the script needs from another node, in its variable ``answer``.
        limit: seconds after which the script is ended.
    """

    summary: str
    script: str
    diff: str = ""
    query: PeerQuery | None = None
    limit: int = 1800


@runtime_checkable
class Resource(Protocol):
    """One thing on a node and its wanted state."""

    @property
    def id(self) -> str:
        """Its id, unique within a run: ``file:/etc/docker/daemon.json``."""
        ...

    def probe(self) -> str:
        """Return POSIX sh that changes nothing. A non-zero exit code is an observation."""
        ...

    def plan(self, observed: Observed) -> Change | None:
        """Return the change that leads to the wanted state; None if the node is in it.

        Raises:
            ValueError: the output of the probe is invalid, or the wanted state cannot be reached
                from there; the text has the reason.
        """
        ...


def quote(text: str) -> str:
    """Return `text` as one word of POSIX sh."""
    return shlex.quote(text)


@functools.cache
def _code(module: str, name: str) -> str:
    """Return a script without its lines of comments, which no node needs."""
    return re.sub(r"(?m)^[ \t]*#.*\n", "", read_script(module, name))


def shell_script(module: str, *names: str, **values: str) -> str:
    """Return shell scripts that lie beside a Python module, with values for their variables.

    Values are quoted and never become part of a script's text. Lines of comments are left out::

        shell_script(__file__, "store.sh", "join.sh", node=play.node.name, own=address)

    Parameters:
        module: the module's ``__file__``.
        names: file names of the scripts, in the order in which they run as one.
        values: values of shell variables. To pass several words, join them with spaces.
    """
    lines = [f"{name}={quote(value)}" for name, value in values.items()]
    return "\n".join([*lines, *(_code(module, name) for name in names)])


def text_diff(old: str, new: str, name: str) -> str:
    """Return the unified diff from `old` to `new`, headed by `name`; empty if they are equal."""
    lines = difflib.unified_diff(
        old.splitlines(), new.splitlines(), f"{name} (on the node)", f"{name} (wanted)", lineterm=""
    )
    return "\n".join(lines)
