"""Processes in which pytest runs on the nodes, a process a node, all nodes at once.

pytest keeps its state in its process, so nodes that are to be looked at side by side need a process
each. They are forked off a server that has imported pytest and testinfra already, where the system
can fork; so the import is paid once, and while machines still boot.

Ctrl-C reaches every process of a terminal. These do not obey it: the one who started them tells
them to stop, and what their tests have made on the nodes is removed first.
"""

from __future__ import annotations

import multiprocessing
import threading
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import TYPE_CHECKING, Any

from labctl.checks.request import Request
from labctl.checks.worker import Ended, begin, run
from labctl.errors import VerifyError
from labctl.events import Emit

if TYPE_CHECKING:
    from labctl.checks.report import NodeReport

_LAST_WORDS = 10.0
"""Seconds to wait for the last events of a process whose result is here already."""


class WorkerPool:
    """Runs pytest on nodes; a context manager, for it holds processes.

    Parameters:
        processes: greatest number of nodes at once; 0 starts nothing.
        emit: takes the events that the tests of a node send while they run.
    """

    def __init__(self, processes: int, emit: Emit) -> None:
        self._processes = processes
        self._emit = emit
        self._pool: ProcessPoolExecutor | None = None
        self._ended: dict[str, threading.Event] = {}
        self._broken = False
        self._stopped = False

    def __enter__(self) -> WorkerPool:
        if self._processes:
            methods = multiprocessing.get_all_start_methods()
            context: Any = multiprocessing.get_context(
                "forkserver" if "forkserver" in methods else "spawn"
            )
            if "forkserver" in methods:
                context.set_forkserver_preload(["labctl.checks.worker", "labctl.checks.preload"])
            self._queue = context.SimpleQueue()
            # Its end tells them to stop; so does the death of this process, however it dies.
            life, self._life = context.Pipe(duplex=False)
            self._listener = threading.Thread(target=self._listen, name="events", daemon=True)
            self._listener.start()
            self._pool = ProcessPoolExecutor(
                self._processes,
                mp_context=context,
                initializer=begin,
                initargs=(self._queue, life),
            )
        return self

    def __exit__(self, *_: object) -> None:
        if self._pool is not None:
            # After `stop` they clean up, which the next one to work on the nodes has to wait for.
            self._pool.shutdown(wait=self._stopped, cancel_futures=True)
            if not self._broken:  # a process that was killed may hold the queue for ever
                self._queue.put(None)
                self._listener.join(_LAST_WORDS)
            self._life.close()

    def stop(self) -> None:
        """End the tests that run, as Ctrl-C ends pytest: their fixtures are torn down."""
        if self._pool is not None:
            self._stopped = True
            self._life.close()

    def run(self, request: Request) -> NodeReport:
        """Run the tests of one node and return what they said.

        Raises:
            VerifyError: they could not be run at all.
            RemoteError: the node could not be reached.
            Interrupted: `stop` ended them.
        """
        assert self._pool is not None, "a WorkerPool works only inside its context"
        ended = self._ended.setdefault(request.node, threading.Event())
        try:
            report = self._pool.submit(run, request).result()
        except BrokenProcessPool as error:
            self._broken = True
            raise VerifyError(
                "the process that ran the tests died",
                node=request.node,
                hint="run the command again",
            ) from error
        ended.wait(_LAST_WORDS)
        return report

    def _listen(self) -> None:
        while (said := self._queue.get()) is not None:
            if isinstance(said, Ended):
                self._ended.setdefault(said.node, threading.Event()).set()
            else:
                self._emit(said)
