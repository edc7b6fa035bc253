"""The same work on many nodes: who goes on when one fails, and what Ctrl-C ends."""

from __future__ import annotations

import concurrent.futures
import sys
import threading
import time
from collections.abc import Collection
from typing import Any

import pytest

from labctl import parallel
from labctl.errors import ConnectFailed, Defect, Interrupted
from labctl.parallel import Result, Stop, affordable, each

NODES = [f"node{number}" for number in range(8)]


def test_results_keep_the_order_of_the_nodes() -> None:
    def work(node: str) -> str:
        time.sleep(0.02 if node == "node0" else 0)
        return node.upper()

    results = each(NODES, work, cap=8)
    assert results == [Result(node, node.upper()) for node in NODES]
    assert all(result.ok for result in results)


def test_one_fails_and_the_others_finish() -> None:
    def work(node: str) -> int:
        if node == "node3":
            raise ConnectFailed("does not answer")
        return 1

    results = each(NODES, work, cap=3)
    assert [result.node for result in results if not result.ok] == ["node3"]
    assert [result.value for result in results] == [1, 1, 1, None, 1, 1, 1, 1]
    error = results[3].error
    assert error is not None
    assert (error.message, error.node) == ("does not answer", "node3")


def test_what_begins_after_the_end_was_requested_is_ended_at_once() -> None:
    stop, ended = Stop(), []
    stop.add(lambda: ended.append("early"))
    stop.request()
    stop.add(lambda: ended.append("late"))
    assert ended == ["early", "late"]


def test_an_error_keeps_the_node_that_it_names() -> None:
    def work(_: str) -> None:
        raise ConnectFailed("does not answer", node="bastion")

    (result,) = each(["a"], work, cap=1)
    assert result.error is not None
    assert result.error.node == "bastion"


@pytest.mark.parametrize("cap", [1, 3, 8, 50])
def test_never_more_at_once_than_the_cap_and_no_fewer(cap: int) -> None:
    expected = min(cap, len(NODES))
    guard = threading.Lock()
    full = threading.Barrier(expected)
    running: list[str] = []
    most = 0

    def work(node: str) -> None:
        nonlocal most
        with guard:
            running.append(node)
            most = max(most, len(running))
        if NODES.index(node) < expected:
            full.wait(timeout=5)
        with guard:
            running.remove(node)

    results = each(NODES, work, cap=cap)
    assert all(result.ok for result in results)
    assert most == expected


def test_no_nodes() -> None:
    assert each([], lambda node: node, cap=4) == []


@pytest.mark.parametrize("kind", [ZeroDivisionError, MemoryError, RecursionError, OSError])
def test_a_defect_costs_the_other_nodes_nothing(kind: type[Exception]) -> None:
    def work(node: str) -> str:
        if node == "node0":
            raise kind("what nobody thought of")
        return node

    first, *others = each(NODES, work, cap=2)
    assert [result.value for result in others] == NODES[1:]
    assert isinstance(first.error, Defect)
    assert first.error.node == "node0"
    assert first.error.message == f"labctl failed: {kind.__name__}: what nobody thought of"
    assert first.error.details.startswith("raised in test_parallel.py:")


@pytest.mark.skipif(sys.platform == "win32", reason="sockets are no files there")
@pytest.mark.parametrize(
    ("files", "nodes", "expected"),
    [(64, 100, 6), (64, 6, 64), (20, 100, 1), (1024, 100, 64), (-1, 100, 64)],
)
def test_few_open_files_mean_few_nodes_at_once(
    monkeypatch: pytest.MonkeyPatch, files: int, nodes: int, expected: int
) -> None:
    import resource

    limit = resource.RLIM_INFINITY if files < 0 else files
    monkeypatch.setattr(resource, "getrlimit", lambda _: (limit, limit))
    notices: list[str] = []
    assert affordable(64, nodes, notices.append) == expected
    assert [f"{expected} nodes at once instead of 64" in text for text in notices] == (
        [True] if expected < 64 else []
    )


def test_ctrl_c_ends_what_runs_and_begins_nothing_more(monkeypatch: pytest.MonkeyPatch) -> None:
    """The main thread waits; that is where Python raises what Ctrl-C becomes."""
    stop, closed, begun = Stop(), threading.Event(), []
    two = threading.Barrier(3)
    real = concurrent.futures.wait
    calls = 0

    def wait(futures: Collection[Any], timeout: float | None = None) -> Any:
        nonlocal calls
        calls += 1
        if calls == 1:
            two.wait(timeout=5)
            raise KeyboardInterrupt
        return real(futures, timeout)

    def work(node: str) -> None:
        begun.append(node)
        stop.add(closed.set)
        two.wait(timeout=5)
        assert closed.wait(timeout=5)
        raise ConnectFailed("the connection was closed")

    monkeypatch.setattr(parallel, "wait", wait)
    with pytest.raises(Interrupted) as caught:
        each(NODES, work, cap=2, stop=stop)
    assert caught.value.exit_code == 130
    assert closed.is_set()
    assert sorted(begun) == NODES[:2]


def test_nothing_is_begun_after_a_stop() -> None:
    stop = Stop()
    stop.request()
    begun: list[str] = []
    results = each(NODES, begun.append, cap=2, stop=stop)
    assert begun == []
    assert all(isinstance(result.error, Interrupted) for result in results)
