"""A node as the source of a copy.

One script lists what the paths are; then the node sends everything as one tar stream. Its answers
are compared with the request, because a node could name files that nobody wants overwritten.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from labctl.errors import TransferError
from labctl.messages import msg
from labctl.remote.channel import Streams
from labctl.remote.connect import BROKEN
from labctl.remote.transfer import scripts
from labctl.remote.transfer.entry import Entry, Root
from labctl.remote.transfer.node_listing import Found, Listing
from labctl.remote.transfer.node_sink import STALL, failure
from labctl.remote.transfer.skipped import (
    Complaint,
    Effect,
    Skipped,
    complaints,
    written,
)
from labctl.remote.transfer.tar_reader import Expected, members

if TYPE_CHECKING:
    from labctl.remote.connection import Connection

_ARGUMENTS = 16_000
"""Bytes of arguments in one command line; Linux takes 128 KiB, and quoting may triple them."""
_PADDING = 1 << 20
"""Bytes that may follow the end of the archive; tar fills up 10 KiB."""
_WORDS = 1 << 18
"""Bytes of stderr that are kept from the beginning, and as many from the end."""


class NodeSource:
    """Files and folders of a node, listed when this is created.

    Parameters:
        connection: the connection to the node.
        path: a path on it, or a pattern as `labctl.remote.transfer.pattern` reads it.
        follow: copy the targets of links instead of the links.
        sudo: read as root.
        measure: measure the total size first, which walks through all files.
        skip: called with everything that cannot be copied while the rest can.
        notice: called with a sentence about anything that is copied but may be incomplete.

    `several` tells whether the path means several things, even if only one of them can be copied.

    Raises:
        TransferError: the path doesn't exist, or the node's answer doesn't match the request.
        RemoteError: the node could not be reached, or broke off.
    """

    def __init__(
        self,
        connection: Connection,
        path: str,
        *,
        follow: bool,
        sudo: bool,
        measure: bool = False,
        skip: Callable[[Skipped], None] = lambda skipped: None,
        notice: Callable[[str], None] = lambda message: None,
    ) -> None:
        self._connection = connection
        self._follow = follow
        self._sudo = sudo
        self._skip = skip
        self._notice = notice
        listing = Listing(connection, path, follow, sudo)
        self._found, self.size, self.several = listing.look(measure, skip)
        self.roots: Sequence[Root] = tuple(found.root for found in self._found)

    def members(self) -> Iterator[Entry]:
        """Yield each member, a folder before what is in it.

        Raises:
            TransferError: one cannot be read, or is refused.
            RemoteError: the node broke off.
        """
        for group in _groups(self._found):
            yield from self._stream(group)

    @property
    def node(self) -> str:
        return self._connection.name

    @property
    def paths(self) -> list[str]:
        """The path of each root on the node, without links."""
        return [f"{found.folder.rstrip('/')}/{found.name}" for found in self._found]

    def _stream(self, group: Sequence[tuple[int, Found]]) -> Iterator[Entry]:
        arguments = ["-h" if self._follow else ""]
        expected: dict[str, Expected] = {}
        for index, found in group:
            arguments += ["yes" if found.live else "", found.folder, found.name]
            expected["" if found.name == "." else found.name] = Expected(index, found.root)
        command, opening = self._connection.script(scripts.SEND, *arguments, root=self._sudo)
        roots = dict(group)

        def skipped(key: tuple[int, tuple[str, ...]], why: str) -> None:
            self._skip(Skipped(self.node, roots[key[0]].shown(key[1]), why))

        with self._connection.channel(command) as channel:
            stream = _SourceStream(channel, self.node, opening)
            problem: TransferError | None = None
            try:
                yield from members(stream, expected, self.node, skipped)
            except TransferError as error:
                problem = error
            if not stream.drained():
                raise problem or TransferError(
                    msg("the node sent more data than requested"), node=self.node
                )
            status, words = stream.finish()
        self._connection.require_begun(stream.streams, root=self._sudo)
        names = {found.name: found for found in roots.values()}
        self._judge(stream, status, words, names, problem)

    def _judge(
        self,
        stream: _SourceStream,
        status: int,
        words: bytes,
        names: Mapping[str, Found],
        problem: TransferError | None,
    ) -> None:
        """Report what the node complained about once the stream has ended.

        Raises:
            TransferError: not everything arrived as it is on the node.
        """
        sent, words = written(words)
        found = list(complaints(words))
        skipped = [one for one in found if one.effect is Effect.SKIPPED]
        for one in found:
            where = _where(one, names)
            if one.effect is Effect.DAMAGED or (problem and one.effect is Effect.SKIPPED):
                raise TransferError(msg("{path}: {why}", path=where, why=one.why), node=self.node)
        # tar exits with 1 if a file changed while it was read, with 2 if one could not be read.
        if status not in (0, 1, 2) or (status == 2 and not skipped):
            raise failure(words, status, self.node, sudo=self._sudo) from problem
        if problem is not None:
            raise problem
        if sent != stream.received:
            raise TransferError(
                msg(
                    "the node sent {sent} bytes, and {received} arrived",
                    sent=msg("an unknown number of") if sent is None else f"{sent:,}",
                    received=f"{stream.received:,}",
                ),
                node=self.node,
            )
        for one in found:
            where = _where(one, names)
            if one.effect is Effect.SKIPPED:
                self._skip(Skipped(self.node, where, one.why))
            elif one.effect is Effect.CHANGED:
                self._notice(msg("{path}: {why}", path=where, why=one.why))
            elif status:
                self._notice(one.why)


def _where(complaint: Complaint, names: Mapping[str, Found]) -> str:
    """Return the path on the node of a file that tar knows by another."""
    parts = [part for part in complaint.path.split("/") if part not in ("", ".")]
    if complaint.path.startswith("/"):
        return complaint.path
    if "." in names:
        return names["."].shown(parts)
    if parts and parts[0] in names:
        return names[parts[0]].shown(parts[1:])
    return complaint.path


def _groups(found: Sequence[Found]) -> Iterator[list[tuple[int, Found]]]:
    """Split the items into tars whose names are unique and fit into one command line."""
    group: list[tuple[int, Found]] = []
    names: set[str] = set()
    length = 0
    for index, item in enumerate(found):
        size = len(item.folder) + len(item.name) + 10
        taken = item.name in names or "." in (item.name, *names)
        if group and (taken or length + size > _ARGUMENTS):
            yield group
            group, names, length = [], set(), 0
        group.append((index, item))
        names.add(item.name)
        length += size
    if group:
        yield group


class _SourceStream:
    """The stdout of a command on a node, read part by part.

    Parameters:
        channel: the channel.
        node: the node's name, for messages.
        opening: what is written to stdin before it ends.
    """

    def __init__(self, channel: Any, node: str, opening: bytes) -> None:
        self._node = node
        self._parts: deque[bytes] = deque()
        self._err = bytearray()
        self.streams = Streams(
            channel, self._parts.append, self._complain, silence=STALL, marked=True
        )
        self.streams.send(opening)
        self.streams.end_stdin()
        self.received = 0
        """Bytes of the stream."""
        self.at_end = False

    def recv(self) -> bytes:
        """Return the next part; an empty one only at the end."""
        while not self._parts:
            if not self._receive():
                self.at_end = True
                return b""
        part = self._parts.popleft()
        self.received += len(part)
        return part

    def drained(self) -> bool:
        """Drop the padding of the archive; return whether the stream ends after it."""
        limit = self.received + _PADDING
        while self.received < limit and self.recv():
            pass
        return self.at_end

    def finish(self) -> tuple[int, bytes]:
        """Return the exit code and stderr, once the stream is drained."""
        return self.streams.finish(), bytes(self._err)

    def _complain(self, data: bytes) -> None:
        self._err += data
        if len(self._err) > 2 * _WORDS:
            del self._err[_WORDS:-_WORDS]

    def _receive(self) -> bool:
        try:
            return self.streams.receive()
        except TimeoutError:
            raise TransferError(
                msg("the node sent nothing for {seconds:.0f} s", seconds=STALL), node=self._node
            ) from None
        except BROKEN as error:
            raise TransferError(
                msg("the connection broke: {error}", error=error), node=self._node
            ) from error
