"""QEMU's monitor: how a running machine is told what to do."""

from __future__ import annotations

import json
import os
import socket
from pathlib import Path
from types import TracebackType
from typing import Any

from tests.vbox.errors import Refused

# Writing a machine's memory to its disk may take this long on a busy host.
_PATIENCE = 180.0
SOCKET = "monitor"


class Monitor:
    """A connection to the monitor of the machine in `folder`, as a context manager.

    The monitor takes one connection at a time: whoever connects holds the machine's lock.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def __enter__(self) -> Monitor:
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(_PATIENCE)
        # The name of a socket has room for 107 characters, and a test's folder may have more.
        handle = os.open(self._folder, os.O_PATH | os.O_DIRECTORY)
        try:
            self._socket.connect(f"/proc/self/fd/{handle}/{SOCKET}")
        except OSError as problem:
            self._socket.close()
            raise Refused(f"the machine's monitor does not answer: {problem}") from problem
        finally:
            os.close(handle)
        self._stream = self._socket.makefile("rw", encoding="utf-8")
        self._receive()  # the greeting
        self.execute("qmp_capabilities")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stream.close()
        self._socket.close()

    def execute(self, command: str, **arguments: Any) -> Any:
        """Run a command of the machine protocol; what it returns."""
        self._stream.write(json.dumps({"execute": command, "arguments": arguments}) + "\n")
        self._stream.flush()
        while True:
            answer = self._receive()
            if "error" in answer:
                raise Refused(f"{command}: {answer['error']['desc']}")
            if "return" in answer:
                return answer["return"]
            # Anything else is an event.

    def say(self, line: str) -> None:
        """Run a command of the monitor for people; it says something only if it fails."""
        said = str(self.execute("human-monitor-command", **{"command-line": line})).strip()
        if said:
            raise Refused(f"{line}: {said}")

    def _receive(self) -> dict[str, Any]:
        line = self._stream.readline()
        if not line:
            raise Refused("the machine ended while it was spoken to")
        answer = json.loads(line)
        assert isinstance(answer, dict)
        return answer
