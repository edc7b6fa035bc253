"""Worker processes that run pytest, one for each node.

pytest keeps its state in the process, so nodes that are checked in parallel need a process each. If
the system can fork, the workers are forked from a server that has imported pytest and testinfra.
So the import happens once, while machines still boot.

Ctrl-C reaches every process of a terminal. The workers ignore it. Their parent tells them to stop,
and they remove what their tests made on the nodes before they end.
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
"""Seconds to wait for the last events of a node after its result has arrived."""


class WorkerPool:
    """Runs pytest on nodes. A context manager, because it owns processes.

    Parameters:
        processes: greatest number of nodes at once; 0 starts no process.
        emit: takes the events of the tests while they run.
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
            # Closing it tells the workers to stop. If this process is killed, it closes too.
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
            # After `stop` the workers clean up, which must end before others use the nodes.
            self._pool.shutdown(wait=self._stopped, cancel_futures=True)
            if not self._broken:  # a killed process may hold the queue's lock for ever
                self._queue.put(None)
                self._listener.join(_LAST_WORDS)
            self._life.close()

    def stop(self) -> None:
        """End the running tests as Ctrl-C ends pytest, including the teardown of fixtures."""
        if self._pool is not None:
            self._stopped = True
            self._life.close()

    def run(self, request: Request) -> NodeReport:
        """Run the tests of one node and return their results.

        Raises:
            VerifyError: the tests could not run at all.
            RemoteError: the node could not be reached.
            Interrupted: `stop` ended the tests.
        """
        assert self._pool is not None, "a WorkerPool works only inside its context"
        ended = self._ended.setdefault(request.node, threading.Event())
        try:
            report = self._pool.submit(run, request).result()
        except BrokenProcessPool as error:
            self._broken = True
            raise VerifyError(
                "the process that ran the checks died",
                node=request.node,
                hint="run the command again",
            ) from error
        ended.wait(_LAST_WORDS)
        return report

    def _listen(self) -> None:
        while (received := self._queue.get()) is not None:
            if isinstance(received, Ended):
                self._ended.setdefault(received.node, threading.Event()).set()
            else:
                self._emit(received)
