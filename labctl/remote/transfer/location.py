"""The places of `labctl scp`: on nodes or on this computer.

Unlike for scp, the first colon doesn't decide, because ``C:\\labs`` has one, too. A place is on a
node only if the text before the colon is a node of the lab, a matching pattern, or ``all``.
"""

from __future__ import annotations

import fnmatch
import os
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from labctl.config.nearest import suggestion
from labctl.errors import UsageError
from labctl.messages import msg

ALL = "all"
_PATTERN = re.compile(r"[*?\[]")
_HOME = re.compile(r"~([A-Za-z_][A-Za-z0-9_.-]*)?(?:/+|\Z)")


@dataclass(frozen=True, slots=True)
class Location:
    """A path on nodes, or on this computer if `nodes` is empty."""

    nodes: tuple[str, ...]
    path: str

    @property
    def remote(self) -> bool:
        return bool(self.nodes)


@dataclass(frozen=True, slots=True)
class NodePath:
    """A path as the scripts on a node expect it.

    Parameters:
        path: absolute or beginning with "./", so that no tool takes it for an option.
        slash: whether it ended with a slash, and so must be a folder.
        user: the user whose home a relative path starts from; empty: the login user.
    """

    path: str
    slash: bool = False
    user: str = ""

    @classmethod
    def parse(cls, text: str) -> NodePath:
        """Return the path after a node's colon; an empty one is the login user's home."""
        user = ""
        home = _HOME.match(text)
        if home:
            user = home[1] or ""
            text = text[home.end() :]
        slash = text.endswith("/")
        path = text.rstrip("/")
        if text.startswith("/") and not home:
            return cls(path or "/", slash)
        return cls(f"./{path.lstrip('/')}" if path else ".", slash, user)


def expanded(path: str) -> str:
    """Return a local path with a ``~`` at its beginning replaced by the home it means.

    A file with such a name is left alone, such as the ``~$labs.docx`` beside a document open in
    Word.
    """
    if path.startswith("~") and not os.path.lexists(path):
        return os.path.expanduser(path)  # noqa: PTH111 (Path's raises where there is no such user)
    return path


def parse(
    text: str, nodes: Sequence[str], exists: Callable[[str], bool], *, windows: bool
) -> Location:
    """Return the location that one argument means.

    Parameters:
        text: as the user typed it.
        nodes: the names of the lab's nodes.
        exists: returns whether a local path exists.
        windows: whether a letter and a colon begin a local path.

    Raises:
        UsageError: the text before the colon is not a node, and no such local path exists.
    """
    before, colon, path = text.partition(":")
    if not colon or "\\" in before:
        return Location((), text)
    if "/" in before and not fnmatch.filter(nodes, before):  # nodes of a class are STUDENT/NODE
        return Location((), text)
    if before in nodes:
        return Location((before,), path)
    if before == ALL:
        return Location(tuple(nodes), path)
    if not before:
        return Location(_only(nodes, text), path)
    if len(before) == 1 and before.isalpha() and (windows or path[:1] in ("\\", "/")):
        return Location((), text)
    fitting = fnmatch.filter(nodes, before) if _PATTERN.search(before) else []
    if fitting:
        return Location(tuple(fitting), path)
    if exists(text):
        return Location((), text)
    others = msg(
        "available: {nodes}; for a local file with a colon in its name, write ./{text}",
        nodes=", ".join(nodes),
        text=text,
    )
    raise UsageError(
        msg(
            "'{text}': this lab has no node '{node}', and no such file exists here",
            text=text,
            node=before,
        ),
        hint=suggestion(before, nodes, others),
    )


def _only(nodes: Sequence[str], text: str) -> tuple[str, ...]:
    if len(nodes) == 1:
        return tuple(nodes)
    raise UsageError(
        msg("'{text}': which node?", text=text),
        hint=msg("name one of {nodes}, or all, before the colon", nodes=", ".join(nodes)),
    )


def parse_all(
    texts: Sequence[str], nodes: Sequence[str], exists: Callable[[str], bool], *, windows: bool
) -> tuple[list[Location], Location]:
    """Return the sources and the destination of a copy.

    In a lab with one node the destination is on that node if no place names one, as with
    vagrant-scp.

    Raises:
        UsageError: a place is invalid, or none is on a node.
    """
    if len(texts) < 2:
        raise UsageError(
            "a copy needs a source and a destination", hint="labctl scp FILE docker-node1:/path"
        )
    *sources, destination = (parse(text, nodes, exists, windows=windows) for text in texts)
    if not destination.remote and not any(source.remote for source in sources):
        if len(nodes) > 1:
            raise UsageError(
                "neither a source nor the destination is on a node",
                hint=msg("write NODE:PATH; available: {nodes}", nodes=", ".join(nodes)),
            )
        destination = Location(tuple(nodes), destination.path)
    if not destination.remote and not all(source.remote for source in sources):
        raise UsageError("labctl does not copy local files to this computer", hint="use cp")
    return sources, destination
