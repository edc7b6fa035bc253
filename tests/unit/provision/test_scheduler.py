"""Nodes that wait for each other: in any order, with few slots, and never for a failed node."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from labctl.errors import DependencyFailed, Interrupted, LabctlError
from labctl.parallel import Result, Stop, each
from labctl.provision.scheduler import Scheduler

NODES = ("one", "two", "three")


def provision(
    work: dict[str, Callable[[Scheduler], object]], slots: int, stop: Stop | None = None
) -> dict[str, Result[object]]:
    """Run each node's work in the order of NODES, and return the results."""
    stop = stop or Stop()
    scheduler = Scheduler(NODES, slots, stop)

    def one(node: str) -> object:
        with scheduler.slot(node):
            found = work.get(node)
            return found(scheduler) if found else None

    return {r.node: r for r in each(NODES, one, cap=len(NODES), stop=stop)}


@pytest.mark.parametrize("slots", [1, 2, 3])
def test_a_waiting_node_gives_its_slot_to_the_node_that_it_waits_for(slots: int) -> None:
    def gives(scheduler: Scheduler) -> None:
        scheduler.on_playbook_done("three", "registry")

    def needs(scheduler: Scheduler) -> bool:
        return scheduler.wait_for("three", "registry", 20)

    found = provision({"one": needs, "two": needs, "three": gives}, slots)
    assert [found[node].value for node in NODES] == [True, True, None]


def test_no_more_nodes_work_than_there_are_slots() -> None:
    guard, at_work, most = threading.Lock(), 0, 0

    def step(change: int) -> None:
        nonlocal at_work, most
        with guard:
            at_work += change
            most = max(most, at_work)

    def works(_: Scheduler) -> None:
        step(1)
        threading.Event().wait(0.05)
        step(-1)

    provision(dict.fromkeys(NODES, works), 1)
    assert most == 1


@pytest.mark.parametrize("slots", [1, 2, 3])
@pytest.mark.parametrize("early", [("three", "two"), ("two", "three"), ("three",), ("two",)])
def test_nodes_start_in_their_order(slots: int, early: tuple[str, ...]) -> None:
    """A node waits for those before it, even if there are free slots."""
    scheduler = Scheduler(NODES, slots, Stop())
    started: list[str] = []

    def run(node: str) -> None:
        with scheduler.slot(node):
            started.append(node)

    threads = {node: threading.Thread(target=run, args=(node,)) for node in NODES}
    for node in early:
        threads[node].start()
    threads[early[0]].join(0.1)
    assert started == []
    threads["one"].start()
    threads["one"].join(10)
    if "two" in early:
        threads["two"].join(10)
        assert set(started) >= {"one", "two"}
    else:
        threads["three"].join(0.1)
        assert started == ["one"]
    for node in NODES:
        if node != "one" and node not in early:
            threads[node].start()
    for thread in threads.values():
        thread.join(10)
    assert sorted(started) == sorted(NODES)
    if slots == 1:
        assert started == list(NODES)


def test_no_node_waits_for_a_failed_node() -> None:
    def fails(_: Scheduler) -> None:
        raise LabctlError("no power")

    found = provision({"one": fails, "two": lambda m: m.wait_for("one", "registry")}, 3)
    assert isinstance(found["two"].error, DependencyFailed)
    assert "one failed" in found["two"].error.message
    assert found["three"].ok


def test_a_node_that_failed_later_has_still_finished_its_playbook() -> None:
    def fails(scheduler: Scheduler) -> None:
        scheduler.on_playbook_done("one", "registry")
        raise LabctlError("no power")

    found = provision({"one": fails, "two": lambda m: m.wait_for("one", "registry", 20)}, 1)
    assert found["two"].value is True


def test_no_node_waits_for_a_node_outside_the_run_or_without_the_playbook() -> None:
    found = provision(
        {"two": lambda m: (m.wait_for("one", "x", 20), m.wait_for("nine", "x", 20))}, 2
    )
    assert found["two"].value == (False, False)


def test_no_node_waits_for_a_playbook_that_the_run_leaves_out() -> None:
    """Otherwise two nodes that need it of each other would wait until one of them ends."""
    scheduler = Scheduler(NODES, 3, Stop(), ["overlay"])

    def one(node: str) -> bool:
        with scheduler.slot(node):
            other = "two" if node == "one" else "one"
            return scheduler.wait_for(other, "etcd", 20)

    assert [r.value for r in each(NODES, one, cap=3)] == [False] * 3


def test_the_deadline_is_kept() -> None:
    late = threading.Event()

    def waits(scheduler: Scheduler) -> None:
        try:
            scheduler.wait_for("one", "registry", 0.1)
        finally:
            late.set()

    found = provision({"one": lambda _: late.wait(20), "two": waits}, 3)
    assert isinstance(found["two"].error, DependencyFailed)
    assert "registry" in found["two"].error.message


@pytest.mark.parametrize("slots", [1, 3])
def test_wait_for_all_counts_failed_nodes_too(slots: int) -> None:
    seen: list[str] = []

    def checked(node: str) -> Callable[[Scheduler], None]:
        def work(scheduler: Scheduler) -> None:
            if node == "two":
                raise LabctlError("no power")
            seen.append(f"provisioned {node}")
            scheduler.on_provisioned(node)
            scheduler.wait_for_all(20)
            seen.append(f"checked {node}")

        return work

    provision({node: checked(node) for node in NODES}, slots)
    assert sorted(seen[:2]) == ["provisioned one", "provisioned three"]
    assert sorted(seen[2:]) == ["checked one", "checked three"]


def test_ctrl_c_ends_the_waiting() -> None:
    stop = Stop()

    def interrupts(_: Scheduler) -> None:
        stop.requested.set()
        threading.Event().wait(0.1)

    waits = {"two": lambda m: m.wait_for("one", "x", 20), "three": lambda m: m.wait_for_all(20)}
    scheduler = Scheduler(NODES, 3, stop)
    ended: list[BaseException] = []

    def run(node: str, work: Callable[[Scheduler], object]) -> None:
        try:
            with scheduler.slot(node):
                work(scheduler)
        except Interrupted as error:
            ended.append(error)

    threads = [
        threading.Thread(target=run, args=(node, work))
        for node, work in {"one": interrupts, **waits}.items()
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
        assert not thread.is_alive()
    assert len(ended) == 2


def test_a_node_that_waits_for_a_slot_wakes_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Otherwise three hundred nodes would spend their time waking each other."""
    woken = 0
    wait = threading.Condition.wait

    def counted(self: threading.Condition, timeout: float | None = None) -> bool:
        nonlocal woken
        notified = wait(self, timeout)
        woken += notified
        return notified

    many = [f"node{number}" for number in range(60)]
    scheduler = Scheduler(many, 4, Stop())

    def one(node: str) -> None:
        with scheduler.slot(node):
            scheduler.on_playbook_done(node, "engine")

    monkeypatch.setattr("labctl.provision.scheduler.threading.Condition.wait", counted)
    threads = [threading.Thread(target=one, args=(node,)) for node in reversed(many)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert woken <= 3 * len(many)
