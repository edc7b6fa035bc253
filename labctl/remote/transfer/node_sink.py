"""A node as the place that a copy goes to."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from labctl.errors import SudoRefused, TransferError
from labctl.remote.channel import offer
from labctl.remote.connect import WINDOW
from labctl.remote.shell import MARK
from labctl.remote.transfer import scripts
from labctl.remote.transfer.entry import STAGE, Bytes, EntrySource, Kind, Root
from labctl.remote.transfer.location import NodePath
from labctl.remote.transfer.tar_writer import END, TarWriter

if TYPE_CHECKING:
    from labctl.remote.connection import Connection

STALL = 300.0
"""Seconds in which nothing moves, after which a copy is given up."""


class NodeSink:
    """Puts members in place on a node; whole, or not at all.

    Parameters:
        remote: the node.
        path: where they go: into it if it is a folder there, else the one root becomes it.
        sudo: work as root.
        owner: ``user:group`` to own what was copied, or either; empty: the login user.
        notice: takes a sentence about what was done and not asked for.
    """

    def __init__(
        self,
        remote: Connection,
        path: str,
        *,
        sudo: bool,
        owner: str,
        notice: Callable[[str], None],
    ) -> None:
        self._remote = remote
        self._shown = path
        self._path = NodePath.parse(path)
        self._sudo = sudo
        self._owner = owner
        self._notice = notice

    def take(self, source: EntrySource, moved: Callable[[int], None], *, into: bool) -> int:
        """Copy all of a source.

        Where the login user may not write, and nothing would be replaced, it is done as root, and
        what was copied belongs to the login user.

        Parameters:
            source: what is copied.
            moved: is told how many bytes of files have gone out.
            into: the path has to be a folder, because there are several sources.

        Returns:
            The number of files and links.

        Raises:
            TransferError: it cannot be copied; nothing half stands under a final name.
            RemoteError: the node could not be reached, or broke off.
        """
        arguments = self._arguments(source.roots, into)
        answer, count = self._attempt(source, moved, arguments, root=self._sudo)
        if answer == "denied new" and not self._sudo:
            # The user may have seen nothing there because of a folder that only root looks into.
            arguments = self._arguments(source.roots, into, only="new")
            try:
                answer, count = self._attempt(source, moved, arguments, root=True)
            except SudoRefused as error:
                raise self._denied("and may not become root either", error.details) from error
            if answer == "done":
                user = self._remote.target.user or "the login user"
                self._notice(
                    f"{user} may not write to {self._shown}: copied as root, "
                    f"and {user} owns the copy"
                )
        if answer == "denied old":
            raise self._denied("where it would replace something", "")
        if answer != "done":
            raise self._denied("", "")
        return count

    def _denied(self, why: str, details: str) -> TransferError:
        user = self._remote.target.user or "the login user"
        return TransferError(
            f"{user} may not write to {self._shown}{f', {why}' if why else ''}: Permission denied",
            node=self._remote.name,
            hint="" if self._sudo else "--sudo copies as root",
            details=details,
        )

    def _arguments(self, roots: Sequence[Root], into: bool, only: str = "") -> list[str]:
        file_into = self._path.slash and any(root.kind is Kind.FILE for root in roots)
        nameless = any(not root.name for root in roots)
        must = "folder" if into or file_into or (nameless and len(roots) > 1) else ""
        words = [self._path.path, must, self._owner, only, STAGE, END]
        for root in roots:
            # A folder's content may become a folder that does not exist yet, as with cp.
            words += [root.kind if root.name else "contents", root.name]
        return words

    def _attempt(
        self, source: EntrySource, moved: Callable[[int], None], arguments: list[str], *, root: bool
    ) -> tuple[str, int]:
        script = scripts.from_home(scripts.RECEIVE, self._path.user)
        command, opening = self._remote.script(script, *arguments, root=root)
        with self._remote.channel(command) as channel:
            channel.settimeout(STALL)
            stream = _SinkStream(channel, root=root)
            count = 0
            try:
                if opening:
                    stream.send(opening)
                answer = stream.line()
                if answer == "ready":
                    writer = TarWriter(stream.send, moved)
                    for member in source.members():
                        writer.add(member)
                        count += member.kind is not Kind.FOLDER
                    writer.close()
                    channel.shutdown_write()
                    answer = stream.line()
                elif answer.startswith("denied"):
                    return answer, 0
            except _NodeSpoke:
                answer = ""
            status, words = stream.end()
        if status == 0 and answer == "done":
            return answer, count
        if root:
            words = self._remote.own_words(words, status)
        raise failure(words, status, self._remote.name, sudo=self._sudo)


def failure(words: bytes, status: int, node: str, *, sudo: bool) -> TransferError:
    """Return the error for a script that failed on a node, in the words that it left."""
    lines = [line for line in words.decode("utf-8", "replace").splitlines() if line.strip()]
    if not lines:
        lines = ["the node broke off" if status < 0 else f"it failed there with exit code {status}"]
    # tar says at the end that there were errors, and the first line says which.
    hint = ""
    if any("No space left" in line or ": Wrote only " in line for line in lines):
        if "No space left" not in lines[0]:
            lines.insert(0, "No space left on the node")
        hint = "make room on the node; nothing half was left there"
    elif any("Permission denied" in line for line in lines) and not sudo:
        hint = "--sudo copies as root"
    more = "\n".join(lines[1:20])
    return TransferError(lines[0], node=node, hint=hint, details=more)


class _NodeSpoke(Exception):
    """The node's tools complained, or its side ended, while more was to be sent."""


class _SinkStream:
    """The three streams of a channel, of which none may wait for another.

    Parameters:
        channel: the channel.
        root: whether a script of root runs there, before whose words sudo may have its own.
    """

    def __init__(self, channel: Any, *, root: bool) -> None:
        self._channel = channel
        self._root = root
        self._out = b""
        self._err = bytearray()

    def send(self, data: Bytes) -> None:
        view = memoryview(data)
        try:
            while view:
                sent = offer(self._channel, view)
                if not sent:
                    raise _NodeSpoke
                view = view[sent:]
        except TimeoutError:
            raise TransferError(f"nothing moved for {STALL:.0f} s") from None
        while self._channel.recv_stderr_ready():
            self._err += self._channel.recv_stderr(WINDOW)
        # tar goes on reading after a full disk, to the bitter end; a warning is no reason to stop.
        said = self._err.partition(MARK)[2] if self._root else self._err
        if b": Cannot " in said or b": Wrote only " in said:
            raise _NodeSpoke

    def line(self) -> str:
        """Return the next line of stdout, or what there is of it at the end."""
        while b"\n" not in self._out:
            data = self._receive()
            if not data:
                break
            self._out += data
        line, _, self._out = self._out.partition(b"\n")
        return line.decode("utf-8", "replace")

    def end(self) -> tuple[int, bytes]:
        """Send no more, read to the end; return the exit code and stderr."""
        with contextlib.suppress(OSError):
            self._channel.shutdown_write()
        while self._receive():
            pass
        while data := self._channel.recv_stderr(WINDOW):
            self._err += data
        return self._channel.recv_exit_status(), bytes(self._err)

    def _receive(self) -> bytes:
        deadline = time.monotonic() + STALL
        self._channel.settimeout(0.5)
        try:
            while True:
                while self._channel.recv_stderr_ready():
                    self._err += self._channel.recv_stderr(WINDOW)
                try:
                    return bytes(self._channel.recv(WINDOW))
                except TimeoutError:
                    if time.monotonic() > deadline:
                        raise TransferError(f"the node was silent for {STALL:.0f} s") from None
        finally:
            self._channel.settimeout(STALL)
