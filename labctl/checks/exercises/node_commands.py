"""Commands of an exercise on a node, with failures that name the command and its output."""

from __future__ import annotations

import shlex
import time
from dataclasses import dataclass
from typing import Any

from labctl.checks.explanation import Failure, last_line
from labctl.messages import msg
from labctl.remote.docker_api import Answer, ask

LIMIT = 900
"""Seconds that one command may take. A pull over a slow line takes minutes; a command that hangs
must not keep an instructor from the results of the other exercises."""

_TIMED_OUT = 124
"""The exit code of coreutils' `timeout` for a command that it ended."""


@dataclass
class NodeCommands:
    """Runs commands on one node.

    Parameters:
        host: the node as testinfra's Host.
        node: its name.
    """

    host: Any
    node: str

    def run(self, command: str, *arguments: object, ok: bool = True) -> Any:
        """Run a command line on the node as the lab's user.

        Parameters:
            command: with ``%s`` for each argument, which is quoted. Write ``%`` as ``%%`` if there
                are arguments.
            ok: whether the command has to succeed.

        Returns:
            testinfra's CommandResult: rc, stdout, stderr.

        Raises:
            AssertionError: it failed, or took longer than `LIMIT`. The message has the command,
                the exit code and the end of the output.
        """
        line = command % tuple(shlex.quote(str(a)) for a in arguments) if arguments else command
        # In the foreground: Ctrl-C in labctl would not reach a process group of its own.
        began = time.monotonic()
        result = self.host.run("timeout --foreground -k 10 %s sh -c %s", str(LIMIT), line)
        if result.rc == _TIMED_OUT and time.monotonic() - began >= LIMIT:
            raise Failure(
                msg(
                    "“{line}” did not end within {limit} s on {node}",
                    line=line,
                    limit=LIMIT,
                    node=self.node,
                ),
                because=msg("a command did not end within {limit} s", limit=LIMIT),
            )
        if ok and result.rc != 0:
            output = last_words(result)
            raise Failure(
                msg(
                    "“{line}” failed with {code} on {node}: {output}",
                    line=line,
                    code=result.rc,
                    node=self.node,
                    output=output,
                ),
                because=last_line(output),
            )
        return result

    def out(self, command: str, *arguments: object) -> str:
        """Run a command that has to succeed, and return its stripped stdout.

        Raises:
            AssertionError: see `run`.
        """
        return str(self.run(command, *arguments).stdout).strip()

    def api(self, method: str, path: str, value: Any = None) -> Answer:
        """Send a request to the node's Docker daemon over its socket.

        Parameters:
            method, path: of the HTTP request.
            value: the body, sent as JSON unless it is None.

        Raises:
            AssertionError: the daemon does not answer.
        """
        (answer,) = ask(self.run, (method, path, value))
        return answer

    def wait(self, command: str, *arguments: object, until: str, seconds: float = 30) -> str:
        """Repeat a command until its stdout contains a text, and return that stdout.

        Parameters:
            command, arguments: see `run`. The command may fail meanwhile.
            until: the text.
            seconds: how long to wait.

        Raises:
            AssertionError: the text never appeared. The message has the last output.
        """
        end = time.monotonic() + seconds
        while True:
            result = self.run(command, *arguments, ok=False)
            if until in result.stdout:
                return str(result.stdout)
            if time.monotonic() > end:
                line = command % arguments if arguments else command
                output = (result.stdout + result.stderr).strip()[-600:] or "nothing"
                raise Failure(
                    msg(
                        "“{line}” did not print “{until}” within {seconds:g} s on {node}; "
                        "its last output: {output}",
                        line=line,
                        until=until,
                        seconds=seconds,
                        node=self.node,
                        output=output,
                    ),
                    because=msg(
                        "“{until}” did not appear within {seconds:g} s, but: {output}",
                        until=until.splitlines()[-1],
                        seconds=seconds,
                        output=last_line(output),
                    ),
                )
            time.sleep(0.2)

    def delete(self, paths: str) -> None:
        """Delete files and folders.

        Parameters:
            paths: as the shell reads them, so patterns work.
        """
        if self.run(f"rm -rf {paths}", ok=False).rc:
            with self.host.sudo():  # a container wrote as root into a mounted folder
                self.run(f"rm -rf {paths}")


def last_words(result: Any) -> str:
    """Return the end of a command's output: of stderr, or else of stdout."""
    return str(result.stderr.strip() or result.stdout.strip() or "nothing")[-600:]
