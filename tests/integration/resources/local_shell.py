"""A shell of this machine, and how a resource is applied through it.

The shell runs a script exactly as `labctl.remote.connection` makes a node's shell run it, but on
this machine and in a temporary folder.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from labctl.playbook import (
    File,
)
from labctl.provision.converge import Outcome, converge
from labctl.provision.facts import PROBE, Facts
from labctl.provision.resources.base import Resource
from labctl.remote.exchange import exchange
from labctl.remote.shell import LOOP
from tests.unit.fakes import planner, playbook


def _shells() -> list[str]:
    """Return the installed shells, each once, because sh is often another name of dash."""
    found = {name: shutil.which(name) for name in ("sh", "bash", "dash", "busybox")}
    places = {os.path.realpath(path): name for name, path in reversed(found.items()) if path}
    return sorted(places.values())


def _me() -> str:
    """Return the owner and the group that a new file has."""
    with tempfile.NamedTemporaryFile() as file:
        path = Path(file.name)
        return f"{path.owner()}:{path.group()}"


SHELLS = _shells()
ME = _me() if os.name == "posix" else ""
HOSTILE = ["it's", 'say "no"', "$(touch canary) `touch canary`", "two\nlines", "; touch canary #"]


@dataclass
class LocalShell:
    """A shell on this machine, which gets scripts as `labctl.remote.connection` sends them."""

    folder: Path
    program: str = "sh"
    name: str = "here"
    exchanges: int = 0
    environment: dict[str, str] = field(default_factory=dict)

    def run(self, script: str) -> bytes:
        self.exchanges += 1
        words = [self.program, "sh"] if self.program == "busybox" else [self.program]
        text = script.encode("utf-8", "surrogateescape")
        done = subprocess.run(
            [*words, "-c", LOOP],
            input=b'eval "$(head -c %d)" </dev/null\n' % len(text) + text,
            capture_output=True,
            cwd=self.folder,
            env={**os.environ, **self.environment},
            timeout=60,
            check=False,
            start_new_session=True,  # as sshd does; other tests share this process's session
        )
        return done.stdout

    def apply(self, *resources: Resource, check: bool = False) -> Outcome:
        facts = Facts.read(exchange(self, [PROBE])[0])
        return converge(
            self,
            [playbook("test", resources)],
            planner(),
            emit=lambda _: None,
            facts=facts,
            check=check,
        )


def converges(shell: LocalShell, *resources: Resource) -> Outcome:
    """Apply resources that all need a change, and assert that a second run changes nothing."""
    looked = shell.apply(*resources, check=True)
    assert [c.resource for c in looked.changes] == [resource.id for resource in resources]
    outcome = shell.apply(*resources)
    assert outcome.changes == looked.changes
    assert outcome.exchanges == 1 + len(resources)
    again = shell.apply(*resources)
    assert (again.changes, again.exchanges) == ((), 1)
    return outcome


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def file(path: Path, content: str, **options: Any) -> File:
    return File(str(path), content, owner=ME, **options)
