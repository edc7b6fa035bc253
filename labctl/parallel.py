"""Run the same work on many nodes at once; one node's failure stops only that node."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import Generic, TypeVar

from labctl.errors import Defect, Interrupted, LabctlError
from labctl.messages import msg

T = TypeVar("T")

_FILES = 6
"""Open files that the work on a node takes at most: its connection, and the pipes of a worker."""

_OTHER_FILES = 28
"""Open files that this process has besides."""


def affordable(cap: int, nodes: int, notice: Callable[[str], object] = lambda text: None) -> int:
    """Return `cap`, or a lower number if this process may open too few files for it.

    Parameters:
        cap: the number of nodes to work on at once.
        nodes: how many there are.
        notice: called with a message if the number is lower.
    """
    try:
        import resource
    except ImportError:  # Windows, where sockets are not files
        return cap
    limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if limit == resource.RLIM_INFINITY:
        return cap
    found = max(1, (limit - _OTHER_FILES) // _FILES)
    if found >= min(cap, nodes):
        return cap
    notice(
        msg(
            "{count} nodes at once instead of {wanted}: `ulimit -n` allows few open files",
            count=found,
            wanted=min(cap, nodes),
        )
    )
    return found


@dataclass(frozen=True, slots=True)
class Result(Generic[T]):
    """The result of one node: a value or an expected error, never both."""

    node: str
    value: T | None = None
    error: LabctlError | None = None

    @property
    def ok(self) -> bool:
        return self.error is None


class Stop:
    """Ends running work when the user presses Ctrl-C."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._closers: list[Callable[[], None]] = []
        self.requested = threading.Event()

    def add(self, closer: Callable[[], None]) -> None:
        """Register a function that ends one piece of work, for example by closing its connection.

        If the end was already requested, the function is called at once.
        """
        with self._guard:
            self._closers.append(closer)
            late = self.requested.is_set()
        if late:
            closer()

    def request(self) -> None:
        """End all registered work."""
        self.requested.set()
        with self._guard:
            closers = list(self._closers)
        for closer in closers:
            closer()


def each(
    nodes: Sequence[str], work: Callable[[str], T], *, cap: int, stop: Stop | None = None
) -> list[Result[T]]:
    """Run `work` for every node, at most `cap` at once.

    Parameters:
        nodes: node names, in starting order.
        work: does the work for one node; an exception that it raises becomes its result.
        cap: maximum number of nodes at once.
        stop: ends running work on Ctrl-C.

    Returns:
        A result for each node, in the order of `nodes`.

    Raises:
        Interrupted: the user pressed Ctrl-C; running work was ended.
    """
    stop = stop or Stop()

    def guarded(node: str) -> Result[T]:
        if stop.requested.is_set():
            return Result(node, error=Interrupted("not started", node=node))
        try:
            return Result(node, work(node))
        except LabctlError as error:
            error.node = error.node or node
            return Result(node, error=error)
        except Exception as error:
            # One node's answer that nobody thought of must not cost the others their results.
            return Result(node, error=Defect.of(error, node))

    pool = ThreadPoolExecutor(max_workers=max(1, min(cap, len(nodes))), thread_name_prefix="node")
    futures: list[Future[Result[T]]] = [pool.submit(guarded, node) for node in nodes]
    try:
        wait(futures)
    except KeyboardInterrupt:
        pool.shutdown(wait=False, cancel_futures=True)
        stop.request()
        wait([future for future in futures if not future.cancelled()], timeout=30)
        raise Interrupted("interrupted") from None
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
    return [future.result() for future in futures]
