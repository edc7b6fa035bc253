"""The host keys of a lab's nodes, recorded under the nodes' names.

An address doesn't identify a lab machine: VirtualBox gives every node 127.0.0.1 with some port, and
libvirt another address after each rebuild. So keys are recorded by node name, in a known_hosts file
of the lab that OpenSSH reads with HostKeyAlias. A node's key is recorded on the first connection.
Another key is refused until labctl itself destroys the node.
"""

from __future__ import annotations

import contextlib
import secrets
import threading
from collections.abc import Iterator
from pathlib import Path

from labctl.errors import StateError
from labctl.messages import msg
from labctl.storage import exclusive

_guard = threading.Lock()
_PATIENCE = 20.0
"""Seconds to wait for another process that writes; a write takes milliseconds."""


class HostKeys:
    """A known_hosts file with one key for each node.

    Parameters:
        path: the file; the first key creates it.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def get(self, name: str) -> tuple[str, str] | None:
        """Return (key type, base64 key) recorded for the node, or None."""
        for line in self._lines():
            fields = line.split()
            if len(fields) >= 3 and fields[0] == name:
                return fields[1], fields[2]
        return None

    def record(self, name: str, kind: str, key: str) -> None:
        """Record the key of a node, in place of an older one.

        Raises:
            StateError: another process holds the file, or it cannot be locked or written.
        """
        with self._alone():
            lines = [line for line in self._lines() if line.split(" ")[0] != name]
            self._write([*lines, f"{name} {kind} {key}"])

    def forget(self, name: str) -> None:
        """Remove a node's key, because the node is gone.

        Raises:
            StateError: another process holds the file, or it cannot be locked or written.
        """
        if self.get(name) is None:
            return
        with self._alone():
            lines = self._lines()
            kept = [line for line in lines if line.split(" ")[0] != name]
            if kept != lines:
                self._write(kept)

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        """Hold the lock against other threads and processes, so that no key is lost.

        The checks of several nodes run in their own processes, and `labctl ssh` may run beside
        `up`.
        """
        lock = self.path.with_name(f"{self.path.name}.lock")
        with _guard, contextlib.ExitStack() as held:
            try:
                held.enter_context(exclusive(lock, timeout=_PATIENCE))
            except TimeoutError:
                raise StateError(
                    msg("{path} is being written by another process all the time", path=self.path),
                    hint=msg("end that process; it holds {lock}", lock=lock),
                ) from None
            yield

    def _lines(self) -> list[str]:
        try:
            return self.path.read_text("utf-8").splitlines()
        except FileNotFoundError:
            return []

    def _write(self, lines: list[str]) -> None:
        # A temporary name: no reader finds a partial file, and no two processes share one.
        new = self.path.with_name(f"{self.path.name}.{secrets.token_hex(4)}")
        try:
            new.touch(mode=0o600)
            new.write_text("".join(f"{line}\n" for line in lines), "utf-8")
            new.replace(self.path)
        except OSError as error:
            raise StateError(
                msg(
                    "{path} cannot be written: {reason}",
                    path=self.path,
                    reason=error.strerror or error,
                ),
                hint="make room on that disk, or let the folder be yours",
            ) from error
        finally:
            with contextlib.suppress(OSError):
                new.unlink(missing_ok=True)
