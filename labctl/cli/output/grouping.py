"""What several nodes say alike is told once, with the names of all of them.

A lab's nodes are alike, and so is what goes wrong on them: a mirror that is down fails every node
in the same words. Told eight times, it hides the one node whose trouble is another.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

import typer

_VARIES = re.compile(r"\w*\d\w*")
"""Words with a digit in them: addresses, times, sizes, process numbers, digests."""


@dataclass(frozen=True, slots=True)
class Message:
    """What is to be told of one node.

    Parameters:
        node: its name; empty where it is of no node.
        head: the first line, without the node's name.
        rest: the lines after it.
    """

    node: str
    head: str
    rest: tuple[str, ...] = ()

    def gist(self) -> tuple[str, ...]:
        """Return its text without what differs from node to node: names, addresses, times."""
        own = re.compile(rf"(?<![\w-]){re.escape(self.node)}(?![\w-])")
        lines = (own.sub("#", line) if self.node else line for line in (self.head, *self.rest))
        return tuple(_VARIES.sub("#", line) for line in lines)


def together(said: Iterable[Message]) -> list[list[Message]]:
    """Put together what is the same but for names and numbers, in the order of the first ones."""
    groups: dict[tuple[str, ...], list[Message]] = {}
    for one in said:
        groups.setdefault(one.gist(), []).append(one)
    return list(groups.values())


def tell(said: Iterable[Message], *, err: bool = False) -> None:
    """Print what nodes said; what is alike once, in the words of the first.

    First lines that are not quite the same are printed for each node, for the number in which they
    differ may matter.

    Parameters:
        said: all of it.
        err: print on stderr, and no empty line before each.
    """
    for group in together(said):
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
