"""Print equal messages of several nodes once, with the names of all of them.

A mirror that is down fails every node with the same message. Eight copies of it would hide the one
node that has another problem.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

import typer

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
    for group in grouped(messages):
        if not err:
            typer.echo()
        heads: dict[str, list[str]] = {}
        for one in group:
            heads.setdefault(one.head, []).append(one.node)
        for head, nodes in heads.items():
            place = ", ".join(filter(None, nodes))
            typer.secho(f"{place}: {head}" if place else head, fg="red", err=err)
        for line in group[0].rest:
            typer.echo(line, err=err)
