"""A node as the destination of a copy."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from labctl.errors import SudoRefused, TransferError
from labctl.messages import msg
from labctl.remote.channel import Streams
from labctl.remote.transfer import scripts
from labctl.remote.transfer.entry import STAGE, Bytes, EntrySource, Kind, Root
from labctl.remote.transfer.location import NodePath
from labctl.remote.transfer.tar_writer import END, TarWriter

if TYPE_CHECKING:
    from labctl.remote.connection import Connection

STALL = 300.0
"""Seconds without progress after which a copy fails."""


class NodeSink:
    """Puts entries in place on a node, completely or not at all.

    Parameters:
        connection: the connection to the node.
        path: the destination: entries go into it if it is a folder; else the one root becomes it.
        sudo: write as root.
        owner: who owns the copy: ``user:group``, or either; empty: the login user.
        notice: called with a sentence about anything that was done unrequested.
    """

    def __init__(
        self,
        connection: Connection,
        path: str,
        *,
        sudo: bool,
        owner: str,
        notice: Callable[[str], None],
    ) -> None:
        self._connection = connection
        self._shown = path
        self._path = NodePath.parse(path)
        self._sudo = sudo
        self._owner = owner
        self._notice = notice

    def take(self, source: EntrySource, moved: Callable[[int], None], *, into: bool) -> int:
        """Copy all of a source; return the number of files and links.

        If the login user may not write there and nothing would be replaced, root writes, and the
        login user owns the copy.

        Parameters:
            source: what is copied.
            moved: called with the number of bytes of files that were sent.
            into: the path must be a folder, because there are several sources.

        Raises:
            TransferError: it cannot be copied; no partial file has a final name.
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
                raise self._denied(msg("and may not become root either"), error.details) from error
            if answer == "done":
                user = self._connection.target.user or msg("the login user")
                self._notice(
                    msg(
                        "{user} may not write to {shown}: copied as root, and {user} owns the copy",
                        user=user,
                        shown=self._shown,
                    )
                )
        if answer == "denied old":
            raise self._denied(msg("and the copy would replace a file"), "")
        if answer != "done":
            raise self._denied("", "")
        return count

    def _denied(self, why: str, details: str) -> TransferError:
        user = self._connection.target.user or msg("the login user")
        template = msg("{user} may not write to {path}: Permission denied")
        if why:
            template = msg("{user} may not write to {path}, {why}: Permission denied")
        return TransferError(
            msg(template, user=user, path=self._shown, why=why),
            node=self._connection.name,
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
        command, opening = self._connection.script(script, *arguments, root=root)
        with self._connection.channel(command) as channel:
            stream = _SinkStream(channel)
            count = 0
            try:
                stream.send(opening)
                answer = stream.line()
                if answer == "ready":
                    writer = TarWriter(stream.send, moved)
                    for member in source.members():
                        writer.add(member)
                        count += member.kind is not Kind.FOLDER
                    writer.close()
                    stream.end_stdin()
                    answer = stream.line()
                elif answer.startswith("denied"):
                    return answer, 0
            except _NodeFailed:
                answer = ""
            status, words = stream.finish()
        if status == 0 and answer == "done":
            return answer, count
        self._connection.require_begun(stream.streams, root=root)
        raise failure(words, status, self._connection.name, sudo=self._sudo)


def failure(words: bytes, status: int, node: str, *, sudo: bool) -> TransferError:
    """Return the error for a failed script on a node, from what it wrote to stderr."""
    lines = [line for line in words.decode("utf-8", "replace").splitlines() if line.strip()]
    if not lines:
        lines = [
            msg("the node closed the connection")
            if status < 0
            else msg("the command on the node failed with exit code {code}", code=status)
        ]
    # tar ends with a summary of errors; the first line has the cause.
    hint = ""
    if any("No space left" in line or ": Wrote only " in line for line in lines):
        if "No space left" not in lines[0]:
            lines.insert(0, "No space left on the node")
        hint = msg("free disk space on the node; no partial file was left there")
    elif any("Permission denied" in line for line in lines) and not sudo:
        hint = msg("--sudo copies as root")
    more = "\n".join(lines[1:20])
    return TransferError(lines[0], node=node, hint=hint, details=more)


class _NodeFailed(Exception):
    """The node's tools reported a failure, or its side ended, before everything was sent."""


class _SinkStream:
    """Sends to the script on the node, and reads its answers line by line.

    Parameters:
        channel: the channel.
    """

    def __init__(self, channel: Any) -> None:
        self._out = bytearray()
        self._err = bytearray()
        self.streams = Streams(
            channel, self._out.extend, self._err.extend, silence=STALL, marked=True
        )

    def send(self, data: Bytes) -> None:
        try:
            sent = self.streams.send(data)
        except TimeoutError:
            raise TransferError(
                msg("no data was sent for {seconds:.0f} s", seconds=STALL)
            ) from None
        # tar goes on reading after a full disk, to the very end; a warning is no reason to stop.
        if not sent or b": Cannot " in self._err or b": Wrote only " in self._err:
            raise _NodeFailed

    def end_stdin(self) -> None:
        self.streams.end_stdin()

    def line(self) -> str:
        """Return the next line of stdout; at the end, what is left of it."""
        with _silence_reported():
            while b"\n" not in self._out and self.streams.receive():
                pass
        line, mark, _ = self._out.partition(b"\n")
        del self._out[: len(line) + len(mark)]
        return line.decode("utf-8", "replace")

    def finish(self) -> tuple[int, bytes]:
        """End stdin and read the rest; return the exit code and stderr."""
        with _silence_reported():
            return self.streams.finish(), bytes(self._err)


@contextlib.contextmanager
def _silence_reported() -> Iterator[None]:
    try:
        yield
    except TimeoutError:
        raise TransferError(
            msg("the node sent nothing for {seconds:.0f} s", seconds=STALL)
        ) from None
