"""Run the programs of a provider, such as virsh, qemu-img and VBoxManage."""

from __future__ import annotations

import contextlib
import os
import subprocess
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from labctl.errors import Interrupted, MachineError
from labctl.messages import msg
from labctl.parallel import Stop


def run(
    arguments: Sequence[str | Path],
    stop: Stop,
    watch: Callable[[], object] = lambda: None,
    *,
    every: float = 1.0,
    folder: Path | None = None,
    environment: Mapping[str, str] = os.environ,
) -> str:
    """Run a program and return its stdout.

    Parameters:
        arguments: the program and its arguments.
        stop: ends it on Ctrl-C.
        watch: called while it runs.
        every: seconds between two calls of `watch`.
        folder: where it runs; None: in the current one.
        environment: its variables, except for its language.

    Raises:
        MachineError: it failed; the error has its stderr.
        Interrupted: the user ended labctl.
    """
    words = [str(word) for word in arguments]
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        process = subprocess.Popen(
            words,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=err,
            cwd=folder,
            env={**environment, "LC_ALL": "C.UTF-8"},
        )

        def end() -> None:
            with contextlib.suppress(OSError):
                process.terminate()

        stop.add(end)
        try:
            while True:
                try:
                    process.wait(every)
                    break
                except subprocess.TimeoutExpired:
                    watch()
        except BaseException:
            end()
            raise
        if process.returncode and stop.requested.is_set():
            raise Interrupted("interrupted")
        out.seek(0)
        err.seek(0)
        text = out.read().decode("utf-8", "replace")
        if process.returncode:
            program = " ".join([Path(words[0]).name, *_verb(words[1:])])
            raise MachineError(
                msg(
                    "`{program}` failed with exit code {code}",
                    program=program,
                    code=process.returncode,
                ),
                details=(err.read().decode("utf-8", "replace").strip() or text.strip())[-2000:],
            )
        return text


def _verb(words: Sequence[str]) -> list[str]:
    """Return the first argument that is neither an option nor a URI."""
    return [word for word in words if not word.startswith("-") and "://" not in word][:1]
