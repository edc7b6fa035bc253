"""The input of a worker process."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from labctl.remote.passwords import Passwords
from labctl.remote.target import Target


@dataclass(frozen=True, slots=True)
class Request:
    """The tests to run on a node, as a value for another process.

    Parameters:
        node: the node's name.
        target: how to reach it.
        known_hosts: the file of recorded host keys.
        passwords: of the login users.
        files: (section, file) in the order of work. The section of a check is its playbook.
        wanted: JSON file with the value of the fixture ``wanted``.
        log: file for pytest's output.
        rehearsal: whether the tests are exercises. Then a file that cannot be loaded is a failed
            exercise, and not an error of the whole run.
        shared: conftest.py files whose fixtures all sections may use.
        peers: how to reach the lab's other nodes.
        versions: (name, command line) of versions to record from the node.
        usual: how many seconds tests usually take, by ``section/name``; empty: unknown.
    """

    node: str
    target: Target
    known_hosts: Path
    passwords: Passwords
    files: tuple[tuple[str, Path], ...]
    wanted: Path
    log: Path
    rehearsal: bool = False
    shared: tuple[Path, ...] = ()
    peers: tuple[Target, ...] = ()
    versions: tuple[tuple[str, str], ...] = ()
    usual: Mapping[str, float] = field(default_factory=dict)
