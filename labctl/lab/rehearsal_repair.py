"""Repairs nodes after a rehearsal with the playbooks' `labctl.playbook.AfterRehearsal`."""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Iterator, Sequence
from typing import TYPE_CHECKING

from labctl.errors import Interrupted
from labctl.events import Notice
from labctl.parallel import Stop, each
from labctl.remote.exchange import exchange

if TYPE_CHECKING:
    from labctl.lab.lab import Lab
    from labctl.provision.loader import Playbook

_TIMEOUT = 10.0
"""Seconds for each step of an attempt to reach a node, which may be off."""


@contextlib.contextmanager
def repair_afterwards(
    lab: Lab, nodes: Collection[str], playbooks: Sequence[Playbook]
) -> Iterator[None]:
    """Repair the nodes when the rehearsal inside ends, also after a Ctrl-C.

    A second Ctrl-C ends it at once, in the rehearsal or in the repair.

    Parameters:
        lab: the lab.
        nodes: names of the nodes that are rehearsed.
        playbooks: the playbooks that the lab runs.

    Raises:
        Interrupted: the user pressed Ctrl-C, in the rehearsal or in the repair.
    """
    try:
        yield
    except Exception:  # Interrupted is one; KeyboardInterrupt, of a second Ctrl-C, is not
        repair(lab, nodes, playbooks)
        raise
    repair(lab, nodes, playbooks)


def repair(lab: Lab, nodes: Collection[str], playbooks: Sequence[Playbook]) -> None:
    """Run the repairs of the lab's playbooks, and emit what they report as notices.

    They run on all nodes that were ever provisioned, because exercises work on other nodes too. A
    node that cannot be reached is left out; the rehearsal has reported it if it needed the node.

    Parameters:
        lab: the lab.
        nodes: names of the nodes that were rehearsed; their exercises are over.
        playbooks: the playbooks that the lab runs.

    Raises:
        Interrupted: the user pressed Ctrl-C.
    """
    found = [book.after_rehearsal(lab.spec) for book in playbooks if book.after_rehearsal]
    repairs = [repair for repair in found if repair is not None]
    if not repairs:
        return
    from labctl.remote.connection import Connection

    # A separate Stop, because after Ctrl-C connections of the lab's own Stop do not open.
    stop = Stop()

    def work(node: str) -> None:
        remote = Connection(
            lab.target(node), lab.hostkeys, passwords=lab.passwords, timeout=_TIMEOUT
        )
        stop.add(remote.end)
        with remote:
            results = exchange(remote, [repair.script for repair in repairs])
        for repair, seen in zip(repairs, results, strict=True):
            # Programs may have written to stderr before, such as docker about a removed container.
            word = seen.output.strip().rpartition("\n")[2]
            for notice in repair.notices:
                if notice.word == word:
                    lab.emit(Notice(node, notice.message))

    names = [
        name for name in lab.node_names if name in nodes or lab.state.node(name).facts is not None
    ]
    try:
        each(names, work, cap=lab.parallel, stop=stop)
    except Interrupted as error:
        error.hint = next((repair.hint for repair in repairs if repair.hint), "")
        raise
