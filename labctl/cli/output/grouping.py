"""Print equal messages of several nodes once, with the names of all of them.

A mirror that is down fails every node with the same message. Eight copies of it would hide the one
node that has another problem.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable
from dataclasses import dataclass

from labctl.cli.i18n.locale import _
from labctl.cli.output.terminal import say, screen_width
from labctl.cli.output.text_width import fill, width

_VARIES = re.compile(r"\w*\d\w*")
"""Words that contain a digit: addresses, times, sizes, process IDs, digests."""


@dataclass(frozen=True, slots=True)
class NodeMessage:
    """A message about one node.

    Parameters:
        node: its name; empty if the message is about no node.
        head: the first line, without the node's name.
        rest: the other lines.
    """

    node: str
    head: str
    rest: tuple[str, ...] = ()

    def key(self) -> tuple[str, ...]:
        """Return the text without what differs between nodes: names, addresses, times."""
        own = re.compile(rf"(?<![\w-]){re.escape(self.node)}(?![\w-])")
        lines = (own.sub("#", line) if self.node else line for line in (self.head, *self.rest))
        return tuple(_VARIES.sub("#", line) for line in lines)


def grouped(messages: Iterable[NodeMessage]) -> list[list[NodeMessage]]:
    """Group messages that differ only in names and numbers. The first messages give the order."""
    groups: dict[tuple[str, ...], list[NodeMessage]] = {}
    for message in messages:
        groups.setdefault(message.key(), []).append(message)
    return list(groups.values())


def print_grouped(messages: Iterable[NodeMessage], *, err: bool = False) -> None:
    """Print messages. A group of equal messages is printed once, with the first one's lines.

    Different first lines of a group are all printed, because the number in which they differ may
    matter.

    Parameters:
        messages: of all nodes.
        err: print to stderr, without an empty line before each group.
    """
    columns = screen_width(sys.stderr if err else sys.stdout)
    for group in grouped(messages):
        if not err:
            say()
        heads: dict[str, list[str]] = {}
        for one in group:
            heads.setdefault(one.head, []).append(one.node)
        for head, nodes in heads.items():
            place = ", ".join(filter(None, nodes))
            text = f"{place}{_(': ')}{head}" if place else head
            say(wrapped(text, columns), fg="red", err=err)
        for line in group[0].rest:
            say(wrapped(line, columns), err=err)


def wrapped(line: str, columns: int | None) -> str:
    """Return a line that is wrapped by words, with its indentation; as it is for None columns.

    Output of programs, which stands behind a "|", is not wrapped.
    """
    text = line.lstrip(" ")
    if columns is None or width(line) <= columns or text.startswith("|"):
        return line
    indent = line[: len(line) - len(text)]
    return fill(text, columns, first=indent, others=f"{indent}  ")
