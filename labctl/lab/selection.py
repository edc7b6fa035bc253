"""Names on the command line: of nodes, patterns of them, and playbooks."""

from __future__ import annotations

import fnmatch
from collections.abc import Iterable, Sequence

from labctl.config.nearest import suggestion
from labctl.errors import UsageError
from labctl.messages import msg


def unknown_node(name: str, nodes: Sequence[str]) -> UsageError:
    """Return the error for a node that the lab does not have."""
    known = msg("available: {names}", names=", ".join(nodes))
    return UsageError(
        msg("this lab has no node '{node}'", node=name), hint=suggestion(name, nodes, known)
    )


def expect_playbooks(names: Iterable[str], known: Sequence[str]) -> None:
    """Check that playbooks of the command line exist.

    Raises:
        UsageError: one does not exist.
    """
    for name in names:
        if name not in known:
            others = msg("available: {names}", names=", ".join(known))
            raise UsageError(
                msg("unknown playbook '{name}'", name=name),
                hint=suggestion(name, known, others),
            )


def select(limit: Iterable[str], names: Sequence[str]) -> list[str]:
    """Return those of `names` that `limit` chooses, in their order.

    Parameters:
        limit: names or patterns such as ``docker-node*``, also several with commas; none: all.
        names: of the lab's nodes.

    Raises:
        UsageError: one of them matches no node, or is empty.
    """
    patterns = split_patterns(limit)
    for pattern in patterns:
        if not any(fnmatch.fnmatchcase(name, pattern) for name in names):
            raise unknown_node(pattern, names)
    return [
        name
        for name in names
        if not patterns or any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns)
    ]


def split_patterns(limit: Iterable[str]) -> list[str]:
    """Return the names and patterns in `limit`, split at commas.

    Raises:
        UsageError: one is empty, for example because a shell variable is not set. It must not mean
            all nodes.
    """
    given = list(limit)
    patterns = [part for item in given for part in item.split(",")]
    if given and not all(patterns):
        raise UsageError("the name of a node is empty", hint="leave it out to select all nodes")
    return patterns
