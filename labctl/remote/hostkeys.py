"""The host keys of a lab's nodes, recorded under the nodes' names.

An address doesn't identify a lab machine: VirtualBox gives every node 127.0.0.1 with some port, and
libvirt another address after each rebuild. So keys are recorded by node name, in a known_hosts file
of the lab that OpenSSH reads with HostKeyAlias. A node's key is recorded on the first connection.
Another key is refused until labctl itself destroys the node.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

from labctl.errors import HostKeyChanged, StateError
from labctl.messages import msg
from labctl.remote.known_hosts import KnownKeys, fingerprint, kind_name, lookup
from labctl.remote.target import Target
from labctl.storage import exclusive, read, write

_guard = threading.Lock()
_PATIENCE = 20.0
"""Seconds to wait for another process that writes; a write takes milliseconds."""


def known_keys(target: Target) -> KnownKeys:
    """Return the entries of the user's own known_hosts for an existing machine."""
    return lookup(target.host, target.port) if target.existing else KnownKeys()


def host_name(target: Target) -> str:
    """Return what a known_hosts file calls the host of a node."""
    return target.host if target.port == 22 else f"[{target.host}]:{target.port}"


class HostKeys:
    """A known_hosts file with one key for each node.

    Parameters:
        path: the file; the first key creates it.
        notice: called with a node and a message when an existing machine is first contacted.
        prepare: creates the file's folder.
        read_only: keep new keys in memory and write nothing.
    """

    def __init__(
        self,
        path: Path,
        notice: Callable[[str, str], None] = lambda node, message: None,
        prepare: Callable[[], None] = lambda: None,
        *,
        read_only: bool = False,
    ) -> None:
        self.path = path
        self._notice = notice
        self._prepare = prepare
        self._read_only = read_only
        self._new: dict[str, tuple[str, str]] = {}

    def get(self, name: str) -> tuple[str, str] | None:
        """Return (key type, base64 key) recorded for the node, or None."""
        for line in self._lines():
            fields = line.split()
            if len(fields) >= 3 and fields[0] == name:
                return fields[1], fields[2]
        return self._new.get(name)

    def record(self, name: str, kind: str, key: str) -> None:
        """Record the key of a node, in place of an older one.

        Raises:
            StateError: another process holds the file, or it cannot be locked or written.
        """
        if self._read_only:
            self._new[name] = kind, key
            return
        with self._alone():
            lines = [line for line in self._lines() if line.split(" ")[0] != name]
            self._write([*lines, f"{name} {kind} {key}"])

    def meet(self, target: Target, kind: str, key: str) -> None:
        """Record a node's key at the first contact, or refuse it.

        A machine that labctl has just made is trusted silently. For one that existed before, the
        user's own known_hosts decides. If that does not name it, its fingerprint is shown.

        Raises:
            HostKeyChanged: the user's known_hosts has another key for it, or revoked this one.
            StateError: the key cannot be recorded.
        """
        known = known_keys(target)
        if (kind, key) in known.revoked:
            raise HostKeyChanged(
                msg("its host key is revoked in your known_hosts"),
                node=target.name,
                details=msg(
                    "{kind} {fingerprint}", kind=kind_name(kind), fingerprint=fingerprint(key)
                ),
                hint="find out which machine answers; a revoked key must not be trusted",
            )
        if known.accepted and not known.knows((kind, key)):
            place = host_name(target)
            recorded = [f"{kind_name(k)} {fingerprint(data)}" for k, data in known.accepted]
            raise HostKeyChanged(
                msg("its host key is not the one in {path}", path=known.file),
                node=target.name,
                details=msg(
                    "recorded {recorded}\noffered  {offered}",
                    recorded=", ".join(recorded),
                    offered=f"{kind_name(kind)} {fingerprint(key)}",
                ),
                hint=msg(
                    "another machine may answer there. If it was reinstalled, run "
                    "`ssh-keygen -R '{place}'` and the same command again",
                    place=place,
                ),
            )
        self.record(target.name, kind, key)
        if target.existing and not known.knows((kind, key)):
            self._notice(
                target.name,
                msg(
                    "first contact; its {kind} host key {fingerprint} is accepted from now on",
                    kind=kind_name(kind),
                    fingerprint=fingerprint(key),
                ),
            )

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
        self._prepare()
        lock = self.path.with_name(f"{self.path.name}.lock")
        with _guard, contextlib.ExitStack() as held:
            try:
                held.enter_context(exclusive(lock, timeout=_PATIENCE))
            except TimeoutError:
                raise StateError(
                    msg("another process keeps {path} locked", path=self.path),
                    hint=msg("end that process; it holds {lock}", lock=lock),
                ) from None
            yield

    def _lines(self) -> list[str]:
        """Return the file's lines.

        Raises:
            StateError: it is damaged, or not this user's own. An unreadable key is not a new one.
        """
        try:
            return read(self.path).splitlines()
        except FileNotFoundError:
            return []
        except ValueError as error:
            raise StateError(
                msg("{path} is damaged: {reason}", path=self.path, reason=error),
                hint="restore the file, or delete it to record the nodes' host keys again",
            ) from error

    def _write(self, lines: list[str]) -> None:
        write(self.path, "".join(f"{line}\n" for line in lines))
