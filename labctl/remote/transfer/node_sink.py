"""A node as the destination of a copy."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from labctl.errors import SudoRefused, TransferError
from labctl.messages import msg
from labctl.remote.channel import Streams
from labctl.remote.transfer import scripts
from labctl.remote.transfer.entry import MAX_DEPTH, STAGE, Bytes, Entry, EntrySource, Kind, Root
from labctl.remote.transfer.location import NodePath
from labctl.remote.transfer.tar_writer import END, TarWriter

if TYPE_CHECKING:
    from labctl.remote.connection import Connection

STALL = 300.0
"""Seconds without progress after which a copy fails."""


_LINE = 1 << 16
"""Bytes of an answer. It is one word and a short name or number."""

_WORDS = 1 << 18
"""Bytes of stderr that are kept. tar complains about each file of a full disk."""


class NodeSink:
    """Puts entries in place on a node, completely or not at all.

    Parameters:
        connection: the connection to the node.
        path: the destination: entries go into it if it is a folder; else the one root becomes it.
        sudo: write as root.
        owner: who owns the copy: ``user:group``, or either; empty: the login user.
        notice: called with a sentence about anything that was done unrequested.
        in_place: write to files that exist, instead of replacing them.
        origins: for a source on the same node, the path of each root.
    """

    def __init__(
        self,
        connection: Connection,
        path: str,
        *,
        sudo: bool,
        owner: str,
        notice: Callable[[str], None],
        in_place: bool = False,
        origins: Sequence[str] = (),
    ) -> None:
        self._connection = connection
        self._shown = path
        self._path = NodePath.parse(path)
        self._sudo = sudo
        self._owner = owner
        self._notice = notice
        self._in_place = in_place
        self._origins = origins

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
        write = "in-place" if self._in_place else ""
        words = [self._path.path, must, self._owner, only, write, STAGE, END]
        for index, root in enumerate(roots):
            # A folder's content may become a folder that does not exist yet, as with cp.
            words += [root.kind if root.name else "contents", root.name]
            words.append(self._origins[index] if self._origins else "")
        return words

    def _attempt(
        self, source: EntrySource, moved: Callable[[int], None], arguments: list[str], *, root: bool
    ) -> tuple[str, int]:
        script = scripts.from_home(scripts.RECEIVE, self._path.user)
        command, opening = self._connection.script(script, *arguments, root=root)
        with self._connection.channel(command) as channel:
            stream = _SinkStream(channel)
            files = entries = 0
            try:
                stream.send(opening)
                answer, _, stage = stream.line().partition(" ")
                if answer == "ready":
                    writer = TarWriter(stream.send, moved)
                    for member in source.members():
                        self._check(member, stage)
                        writer.add(member)
                        entries += 1
                        files += member.kind is not Kind.FOLDER
                    writer.close()
                    stream.end_stdin()
                    answer, _, arrived = stream.line().partition(" ")
                elif answer == "denied":
                    return f"denied {stage}", 0
            except _NodeFailed:
                answer = ""
            status, words = stream.finish()
        if status == 0 and answer == "done":
            if arrived != str(entries):
                raise TransferError(
                    msg(
                        "{sent} entries were sent, and {count} arrived", sent=entries, count=arrived
                    ),
                    node=self._connection.name,
                )
            return answer, files
        self._connection.require_begun(stream.streams, root=root)
        raise failure(words, status, self._connection.name, sudo=self._sudo)

    def _check(self, member: Entry, stage: str) -> None:
        if len(member.path) > MAX_DEPTH:
            raise TransferError(
                msg("more than {count} folders inside each other", count=MAX_DEPTH),
                hint="copy it as an archive",
            )
        if stage in member.path:
            # The source has the temporary folder in it, and would never end.
            raise TransferError(
                msg("{path}: a folder cannot be copied into itself", path=self._shown),
                node=self._connection.name,
            )


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
        lines.insert(0, msg("No space left on the node"))
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
        self.streams = Streams(channel, self._answer, self._complain, silence=STALL, marked=True)

    def _answer(self, data: bytes) -> None:
        if len(self._out) <= _LINE:
            self._out += data

    def _complain(self, data: bytes) -> None:
        self._err += data[: max(0, _WORDS - len(self._err))]

    def send(self, data: Bytes) -> None:
        try:
            sent = self.streams.send(data)
        except TimeoutError:
            raise TransferError(
                msg("no data was sent for {seconds:.0f} s", seconds=STALL)
            ) from None
        # tar keeps reading after a full disk, to the very end. Warnings do not stop the copy.
        if not sent or b": Cannot " in self._err or b": Wrote only " in self._err:
            raise _NodeFailed

    def end_stdin(self) -> None:
        self.streams.end_stdin()

    def line(self) -> str:
        """Return the next line of stdout; at the end, what is left of it."""
        with _silence_reported():
            while b"\n" not in self._out and self.streams.receive():
                if len(self._out) > _LINE:
                    raise TransferError("the node's answer is too long")
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
