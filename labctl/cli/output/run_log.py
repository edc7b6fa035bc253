"""A readable log of each run, `.labctl/logs/COMMAND.log`; the runs before have a number.

It is always in English. A log that cannot be written never stops a run.
"""

from __future__ import annotations

import contextlib
import datetime
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import TextIO

from labctl import __version__
from labctl.cli.output.errors import lines_without_node
from labctl.cli.output.lines import english, sentence
from labctl.cli.output.terminal import printable
from labctl.errors import LabctlError, StateError
from labctl.events import CheckStarted, Event, Exchanged, MachineOutput
from labctl.storage import opener

KEPT = 5
"""How many runs of a command are kept."""

_LARGEST = 4_000_000
"""Bytes after which the complete output of a node begins in a new file."""
_ELSEWHERE = (CheckStarted, Exchanged, MachineOutput)
"""Events that are left out: the complete output of the nodes has files of its own."""


class RunLog:
    """Takes the events of a run. It begins when the lab's folder of logs exists.

    Parameters:
        folder: the lab's folder of logs.
        command: the command's name.
        words: the complete command line, which begins the log.
    """

    def __init__(self, folder: Path, command: str, words: Sequence[str]) -> None:
        self._folder = folder
        self._command = command
        self._guard = threading.Lock()
        self._file: TextIO | None = None
        self._broken = False
        now = datetime.datetime.now().astimezone()
        line = " ".join(["labctl", *words])
        self._waiting = [f"# {line}", f"# {now:%Y-%m-%d %H:%M:%S %Z}, labctl {__version__}"]

    def __call__(self, event: Event) -> None:
        if isinstance(event, _ELSEWHERE):
            return
        text = sentence(event, verbose=True, translate=english)
        if text:
            self.write(text, node=event.node)

    def error(self, error: LabctlError) -> None:
        """Record an error with its details."""
        self.write(
            "error: " + "\n".join(lines_without_node(error, translate=english)), node=error.node
        )

    def write(self, text: str, *, node: str = "") -> None:
        """Record a text of one or more lines, about a node or the whole lab."""
        now = datetime.datetime.now().astimezone()
        first, *rest = [printable(line) for line in text.splitlines()] or [""]
        lines = [f"{now:%H:%M:%S} {node or 'lab'}: {first}", *(f"    {line}" for line in rest)]
        with self._guard:
            self._waiting += lines
            self._flush()

    def close(self) -> None:
        """Write what is left and close the file."""
        with self._guard:
            if self._file is not None:
                self._flush()
                self._file.close()
                self._file, self._broken = None, True

    def _flush(self) -> None:
        if self._broken or not self._folder.is_dir():
            return
        try:
            if self._file is None:
                _rotate(self._folder, self._command)
                path = self._folder / f"{self._command}.log"
                # "x" never follows a link.
                self._file = open(path, "x", encoding="utf-8", opener=opener)  # noqa: SIM115
            self._file.write("".join(f"{line}\n" for line in self._waiting))
            self._file.flush()
            self._waiting.clear()
        except (OSError, StateError):
            self._broken = True


def _rotate(folder: Path, command: str) -> None:
    """Give the runs before this one the next number; the oldest is deleted."""
    names = [f"{command}.log", *(f"{command}.{number}.log" for number in range(1, KEPT))]
    with contextlib.suppress(FileNotFoundError):
        (folder / names[-1]).unlink()
    for old, new in zip(names[-2::-1], names[:0:-1], strict=True):
        with contextlib.suppress(FileNotFoundError):
            (folder / old).rename(folder / new)
    for path in folder.glob("*.*.log"):
        if path.stat().st_size > _LARGEST and not path.is_symlink():
            path.replace(path.with_suffix(".old"))
