"""What a worker process is asked to run."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from labctl.remote.target import Target


@dataclass(frozen=True, slots=True)
class Request:
    """What to run on a node, as a value that can be sent to another process.

    Parameters:
        node: the node's name.
        target: how it is reached.
        known_hosts: where host keys are recorded.
        sudo_password: where the login user needs one.
        files: (section, file) in the order of work; for checks, the section is the playbook.
        wanted: JSON file of what the tests may expect.
        log: takes pytest's own output.
        rehearsal: the tests are exercises: each is told of as it begins and ends, with what it ran,
            and a file that cannot be loaded is one exercise that failed.
        shared: conftest.py files whose fixtures all sections may use.
        peers: how the lab's other nodes are reached.
        versions: (name, command line) of what is to be known of the node besides.
    """

    node: str
    target: Target
    known_hosts: Path
    sudo_password: str | None
    files: tuple[tuple[str, Path], ...]
    wanted: Path
    log: Path
    rehearsal: bool = False
    shared: tuple[Path, ...] = ()
    peers: tuple[Target, ...] = ()
    versions: tuple[tuple[str, str], ...] = ()
