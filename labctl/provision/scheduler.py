"""How many nodes of one run work at once, and how they wait for each other.

Each node is provisioned on its own, but one node may need what another one serves: a registry, or
the join token of a swarm. A node that waits gives its slot to another node, so that a run with one
slot cannot deadlock. If the other node fails, the wait ends at once.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Collection, Iterator, Sequence

from labctl.errors import DependencyFailed, Interrupted
from labctl.messages import msg
from labctl.parallel import Stop

DEADLINE = 3600.0
"""Seconds to wait for another node. A lab with emulated processors comes up in less."""
_POLL = 0.5
"""Seconds after which a waiting node checks for Ctrl-C."""


class Scheduler:
    """The nodes of one run: which playbooks each has finished, and which nodes have a slot.

    Parameters:
        nodes: names of the nodes, in the order in which they start.
        slots: greatest number of nodes that work at once.
        stop: ends all waiting on Ctrl-C.
        playbooks: names of the playbooks of this run; None if they are not known.
    """

    def __init__(
        self,
        nodes: Sequence[str],
        slots: int,
        stop: Stop,
        playbooks: Collection[str] | None = None,
    ) -> None:
        self._free = max(1, slots)
        self._stop = stop
        self._playbooks = playbooks
        guard = threading.RLock()
        self._changed = threading.Condition(guard)
        # One condition a node, over the same lock: of three hundred nodes that wait for a slot,
        # only the next one wakes up.
        self._may_start = {node: threading.Condition(guard) for node in nodes}
        self._not_started = list(nodes)
        self._finished: dict[str, set[str]] = {node: set() for node in nodes}
        self._succeeded: dict[str, bool] = {}

    @contextlib.contextmanager
    def slot(self, node: str) -> Iterator[None]:
        """Wait for a slot and hold it. A node that leaves with an error counts as failed.

        Nodes start in their order, because the first one may create what the others boot from.

        Raises:
            Interrupted: the user pressed Ctrl-C before the node got a slot.
        """
        with self._changed:
            may_start = self._may_start[node]
            self._wait(may_start, lambda: self._free > 0 and self._not_started[:1] == [node])
            if self._stop.requested.is_set():
                raise Interrupted("not started", node=node)
            self._not_started.remove(node)
            self._free -= 1
            self._wake_next()
        succeeded = False
        try:
            yield
            succeeded = True
        finally:
            self._end(node, succeeded)
            self._release()

    def on_playbook_done(self, node: str, playbook: str) -> None:
        """Record that a node has finished a playbook, and wake the nodes that wait for it."""
        with self._changed:
            if node in self._finished and playbook not in self._finished[node]:
                self._finished[node].add(playbook)
                self._changed.notify_all()

    def on_provisioned(self, node: str) -> None:
        """Record that a node has finished all playbooks. No other node waits for its checks."""
        self._end(node, True)

    def wait_for(self, other: str, playbook: str, deadline: float = DEADLINE) -> bool:
        """Wait until another node has finished a playbook.

        Parameters:
            other: name of the other node.
            playbook: name of the playbook.
            deadline: seconds to wait at most.

        Returns:
            True if the other node has finished the playbook in this run. False if the node is not
            in this run, or the run does not include the playbook.

        Raises:
            DependencyFailed: the other node failed first, or the deadline passed.
            Interrupted: the user pressed Ctrl-C.
        """
        excluded = self._playbooks is not None and playbook not in self._playbooks
        if other not in self._finished or excluded:
            return False
        self._wait_without_slot(
            lambda: playbook in self._finished[other] or other in self._succeeded,
            deadline,
            f"{other} has not finished the playbook {playbook}",
        )
        if playbook not in self._finished[other] and not self._succeeded[other]:
            raise DependencyFailed(
                msg(
                    "{other} failed before it finished the playbook {playbook}",
                    other=other,
                    playbook=playbook,
                ),
                hint=msg("fix {other}, then run the same command again", other=other),
            )
        return playbook in self._finished[other]

    def wait_for_all(self, deadline: float = DEADLINE) -> None:
        """Wait until every node of the run is provisioned or has failed.

        Raises:
            DependencyFailed: the deadline passed.
            Interrupted: the user pressed Ctrl-C.
        """
        self._wait_without_slot(
            lambda: self._succeeded.keys() >= self._finished.keys(),
            deadline,
            "not all nodes are provisioned",
        )

    def _wait_without_slot(
        self, condition: Callable[[], bool], deadline: float, problem: str
    ) -> None:
        """Give the slot away, wait for the condition, and take a slot again."""
        with self._changed:
            if condition():
                return
        end = time.monotonic() + deadline
        self._release()
        try:
            with self._changed:
                while not condition():
                    if self._stop.requested.is_set():
                        raise Interrupted("interrupted while waiting")
                    if time.monotonic() > end:
                        raise DependencyFailed(
                            msg(
                                "{what} after {seconds:.0f} seconds", what=problem, seconds=deadline
                            ),
                            hint="find out what blocks it, then run the same command again",
                        )
                    self._changed.wait(_POLL)
        finally:
            with self._changed:
                self._wait(self._changed, lambda: self._free > 0)
                self._free -= 1

    def _wait(self, wakes: threading.Condition, condition: Callable[[], bool]) -> None:
        """Wait for the condition or for Ctrl-C. The caller holds the lock."""
        while not condition() and not self._stop.requested.is_set():
            wakes.wait(_POLL)

    def _wake_next(self) -> None:
        """Wake the next node to start if there is a slot. The caller holds the lock."""
        if self._free > 0 and self._not_started:
            self._may_start[self._not_started[0]].notify_all()

    def _release(self) -> None:
        with self._changed:
            self._free += 1
            self._changed.notify_all()
            self._wake_next()

    def _end(self, node: str, succeeded: bool) -> None:
        with self._changed:
            self._succeeded.setdefault(node, succeeded)
            self._changed.notify_all()
