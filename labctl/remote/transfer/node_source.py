"""A node as the source of a copy.

One script lists what the paths are; then the node sends everything as one tar stream. Its answers
are compared with the request, because a node could name files that nobody wants overwritten.
"""

from __future__ import annotations

import fnmatch
import re
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from labctl.errors import TransferError
from labctl.messages import msg
from labctl.remote.channel import Streams
from labctl.remote.connect import BROKEN
from labctl.remote.transfer import scripts
from labctl.remote.transfer.entry import Entry, Kind, Root
from labctl.remote.transfer.location import NodePath
from labctl.remote.transfer.node_sink import STALL, failure
from labctl.remote.transfer.tar_reader import Expected, members

if TYPE_CHECKING:
    from labctl.remote.connection import Connection

_PATTERN = re.compile(r"[*?\[]")
_ARGUMENTS = 16_000
"""Bytes of arguments in one command line; Linux takes 128 KiB, and quoting may triple them."""


@dataclass(frozen=True, slots=True)
class _Found:
    """A thing on the node: `name` in `folder`, to be kept as `root`."""

    root: Root
    folder: str
    name: str


class NodeSource:
    """Files and folders of a node, listed when this is created.

    Parameters:
        connection: the connection to the node.
        path: a path on it, or a pattern of its shell.
        follow: copy the targets of links instead of the links.
        sudo: read as root.
        measure: measure the total size first, which walks through all files.

    Raises:
        TransferError: the path doesn't exist, or the node's answer doesn't match the request.
        RemoteError: the node could not be reached, or broke off.
    """

    def __init__(
        self, connection: Connection, path: str, *, follow: bool, sudo: bool, measure: bool = False
    ) -> None:
        self._connection = connection
        self._follow = follow
        self._sudo = sudo
        self._asked = NodePath.parse(path)
        self._found, self.size = self._look(path, measure)
        self.roots: Sequence[Root] = tuple(found.root for found in self._found)

    def members(self) -> Iterator[Entry]:
        """Yield each member, a folder before what is in it.

        Raises:
            TransferError: one cannot be read, or is refused.
            RemoteError: the node broke off.
        """
        for group in _groups(self._found):
            yield from self._stream(group)

    def _look(self, shown: str, measure: bool) -> tuple[list[_Found], int]:
        script = scripts.from_home(scripts.LIST, self._asked.user)
        arguments = ("-L" if self._follow else "", "yes" if measure else "", self._asked.path)
        command, opening = self._connection.script(script, *arguments, root=self._sudo)
        status, out, words = self._connection.call(command, opening)
        if self._sudo:
            words = self._connection.own_words(words, status)
        if status != 0:
            raise failure(words, status, self._connection.name, sudo=self._sudo)
        fields = out.decode("utf-8", "surrogateescape").split("\0")[:-1]
        if not fields or len(fields) % 5:
            raise self._strange(shown)
        found: list[_Found] = []
        size = 0
        for kind, folder, name, keep, length in zip(*[iter(fields)] * 5, strict=True):
            if not self._fits(kind, keep) or "/" in name or not folder.startswith("/"):
                raise self._strange(shown)
            if self._asked.slash and kind == "file":
                raise TransferError(
                    msg("{path}: Not a directory", path=shown), node=self._connection.name
                )
            if any(other.root.name == keep for other in found):
                raise self._strange(shown)  # a folder holds each name once
            root = Root(keep, Kind.FILE if kind == "file" else Kind.FOLDER)
            found.append(_Found(root, folder, name))
            size += int(length) if length.isdecimal() else 0
        return found, size

    def _fits(self, kind: str, keep: str) -> bool:
        """Return whether the requested path can mean this."""
        if kind == "contents":
            return keep == ""
        if kind not in ("file", "folder") or "/" in keep or keep in ("", ".", ".."):
            return False
        wanted = self._asked.path.rpartition("/")[2]
        return keep == wanted or (
            _PATTERN.search(wanted) is not None and fnmatch.fnmatchcase(keep, wanted)
        )

    def _strange(self, shown: str) -> TransferError:
        return TransferError(
            msg("the node answered something else than {shown}", shown=shown), node=self.node
        )

    @property
    def node(self) -> str:
        return self._connection.name

    def _stream(self, group: Sequence[tuple[int, _Found]]) -> Iterator[Entry]:
        arguments = ["-h"] if self._follow else []
        expected: dict[str, Expected] = {}
        for index, found in group:
            nameless = found.name == "."
            arguments += ["-C", found.folder, "." if nameless else f"./{found.name}"]
            expected["" if nameless else found.name] = Expected(index, found.root)
        command, opening = self._connection.script(scripts.SEND, *arguments, root=self._sudo)
        with self._connection.channel(command) as channel:
            stream = _SourceStream(channel, self.node, opening)
            problem: TransferError | None = None
            try:
                yield from members(stream, expected, self.node)
            except TransferError as error:
                problem = error
            if problem is not None and not stream.at_end:
                raise problem  # ours; the node would go on sending
            status, words = stream.finish()
        if self._sudo:
            words = self._connection.own_words(words, status)
        # 1 says that a file changed while it was read, as a log does.
        if status not in (0, 1):
            raise failure(words, status, self.node, sudo=self._sudo) from problem
        if problem is not None:
            raise problem


def _groups(found: Sequence[_Found]) -> Iterator[list[tuple[int, _Found]]]:
    """Part what was found into tars: in one, each name is there once, and they fit a command."""
    group: list[tuple[int, _Found]] = []
    names: set[str] = set()
    length = 0
    for index, one in enumerate(found):
        size = len(one.folder) + len(one.name) + 10
        if group and (one.name in names or "." in (one.name, *names) or length + size > _ARGUMENTS):
            yield group
            group, names, length = [], set(), 0
        group.append((index, one))
        names.add(one.name)
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
        self._streams = Streams(channel, self._parts.append, self._err.extend, silence=STALL)
        self._streams.send(opening)
        self._streams.end_stdin()
        self.at_end = False

    def recv(self) -> bytes:
        """Return the next part; an empty one only at the end."""
        while not self._parts:
            if not self._receive():
                self.at_end = True
                return b""
        return self._parts.popleft()

    def finish(self) -> tuple[int, bytes]:
        """Drop the rest; return the exit code and stderr."""
        while self._receive():
            self._parts.clear()
        return self._streams.finish(), bytes(self._err)

    def _receive(self) -> bool:
        try:
            return self._streams.receive()
        except TimeoutError:
            raise TransferError(
                msg("the node was silent for {seconds:.0f} s", seconds=STALL), node=self._node
            ) from None
        except BROKEN as error:
            raise TransferError(
                msg("the connection broke: {error}", error=error), node=self._node
            ) from error
