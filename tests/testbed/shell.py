"""Run a program, and raise what it said if it fails."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import TextIO

from tests.testbed.errors import TestbedError

# Of the output of what answers in data, such as a list of files, the log needs nothing.
_MUCH = 20_000
log: TextIO | None = None
"""Where all that programs say is kept, if anywhere."""


def run(
    *command: str | Path,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    stdin: str | None = None,
) -> str:
    """Standard output of `command`; `env` is added to the environment."""
    done = subprocess.run(
        [str(part) for part in command],
        cwd=cwd,
        env={**os.environ, **env} if env else None,
        input=stdin,
        stdin=subprocess.DEVNULL if stdin is None else None,
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
    )
    if log:
        said = (done.stdout if len(done.stdout) < _MUCH else "") + done.stderr
        log.write(f"$ {' '.join(map(str, command))}\n{said}")
    if done.returncode:
        said = "\n".join((done.stderr or done.stdout).strip().splitlines()[-15:])
        name = " ".join(str(part) for part in command[:3])
        raise TestbedError(f"`{name} …` failed with exit code {done.returncode}:\n{said}")
    return done.stdout
