"""Where the nodes of one run wait for each other, as few of them as have to.

Each node is provisioned on its own; but what one node serves (a registry, a swarm's token) another
may need. A node that waits gives its turn to others meanwhile, so that a lab which is worked on one
node at a time cannot wait for ever; and it is told at once when the other one has failed.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Collection, Iterator, Sequence

from labctl.errors import DependencyFailed, Interrupted
from labctl.parallel import Stop

DEADLINE = 3600.0
"""Seconds to wait for another node: longer than a lab takes to come up, emulated."""
_LOOK = 0.5
"""Seconds between two looks at whether the user has pressed Ctrl-C."""


class Scheduler:
    """The nodes of one run, what they have come through, and whose turn it is.

    Parameters:
        nodes: the names of all that take part.
        turns: greatest number of nodes at work at once.
        stop: ends all waiting on Ctrl-C.
        playbooks: names of those that the run works on; None: it is not known.
    """

    def __init__(
        self,
        nodes: Sequence[str],
        turns: int,
        stop: Stop,
        playbooks: Collection[str] | None = None,
    ) -> None:
        self._free = max(1, turns)
        self._stop = stop
        self._playbooks = playbooks
        guard = threading.RLock()
        self._changed = threading.Condition(guard)
        # One for each node that has not begun, over the same lock: of three hundred that wait for
        # their turn, the next one is woken, and not all of them each time.
        self._next = {node: threading.Condition(guard) for node in nodes}
        self._not_begun = list(nodes)
        self._through: dict[str, set[str]] = {node: set() for node in nodes}
        self._ended: dict[str, bool] = {}

    @contextlib.contextmanager
    def turn(self, node: str) -> Iterator[None]:
        """Wait for a turn and keep it. What ends in an error counts as ended badly.

        Nodes begin in their order: the first may have to make what the others boot from.

        Raises:
            Interrupted: the user pressed Ctrl-C before its turn came.
        """
        with self._changed:
            turn = self._next[node]
            self._until(turn, lambda: self._free > 0 and self._not_begun[:1] == [node])
            if self._stop.requested.is_set():
                raise Interrupted("not begun", node=node)
            self._not_begun.remove(node)
            self._free -= 1
            self._wake_next()
        good = False
        try:
            yield
            good = True
        finally:
            self._end(node, good)
            self._give_back()

    def on_playbook_done(self, node: str, playbook: str) -> None:
        """Note that a node has all that a playbook wants."""
        with self._changed:
            if node in self._through and playbook not in self._through[node]:
                self._through[node].add(playbook)
                self._changed.notify_all()

    def provisioned(self, node: str) -> None:
        """Note that a node has come through all playbooks; what it still does is nobody's need."""
        self._end(node, True)

    def wait_for(self, other: str, playbook: str, deadline: float = DEADLINE) -> bool:
        """Wait until another node has come through a playbook.

        Parameters:
            other: the node to wait for.
            playbook: what it has to come through.
            deadline: seconds to wait at most.

        Returns:
            Whether the node takes part in this run and came through; False if it does not take
            part, or its playbooks are others.

        Raises:
            DependencyFailed: it failed before that, or the deadline passed.
            Interrupted: the user pressed Ctrl-C.
        """
        passed_over = self._playbooks is not None and playbook not in self._playbooks
        if other not in self._through or passed_over:
            return False
        self._await(
            lambda: playbook in self._through[other] or other in self._ended,
            deadline,
            f"{other} has not come through the playbook {playbook}",
        )
        if playbook not in self._through[other] and not self._ended[other]:
            raise DependencyFailed(
                f"{other} failed before it came through the playbook {playbook}",
                hint=f"see what became of {other}, and run the same command again",
            )
        return playbook in self._through[other]

    def wait_for_all(self, deadline: float = DEADLINE) -> None:
        """Wait until every node of the run is provisioned, or has failed.

        Raises:
            DependencyFailed: the deadline passed.
            Interrupted: the user pressed Ctrl-C.
        """
        self._await(
            lambda: self._ended.keys() >= self._through.keys(),
            deadline,
            "not all nodes are provisioned",
        )

    def _await(self, condition: Callable[[], bool], deadline: float, what: str) -> None:
        with self._changed:
            if condition():
                return
        end = time.monotonic() + deadline
        self._give_back()
        try:
            with self._changed:
                while not condition():
                    if self._stop.requested.is_set():
                        raise Interrupted("interrupted while it waited")
                    if time.monotonic() > end:
                        raise DependencyFailed(
                            f"{what} after {deadline:.0f} seconds",
                            hint="see what holds it up, and run the same command again",
                        )
                    self._changed.wait(_LOOK)
        finally:
            with self._changed:
                self._until(self._changed, lambda: self._free > 0)
                self._free -= 1

    def _until(self, news: threading.Condition, condition: Callable[[], bool]) -> None:
        """Wait, with the guard held, for the condition or for Ctrl-C."""
        while not condition() and not self._stop.requested.is_set():
            news.wait(_LOOK)

    def _wake_next(self) -> None:
        """Tell the node that is the next to begin, with the guard held, if there is a turn."""
        if self._free > 0 and self._not_begun:
            self._next[self._not_begun[0]].notify_all()

    def _give_back(self) -> None:
        with self._changed:
            self._free += 1
            self._changed.notify_all()
            self._wake_next()

    def _end(self, node: str, good: bool) -> None:
        with self._changed:
            self._ended.setdefault(node, good)
            self._changed.notify_all()
