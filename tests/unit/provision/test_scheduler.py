"""Nodes that wait for one another: in any order, with few turns, and never for one that failed."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from labctl.errors import DependencyFailed, Interrupted, LabctlError
from labctl.parallel import Result, Stop, each
from labctl.provision.scheduler import Scheduler

NODES = ("one", "two", "three")


def meet(
    work: dict[str, Callable[[Scheduler], object]], turns: int, stop: Stop | None = None
) -> dict[str, Result[object]]:
    """Run each node's work, in the order of NODES, and return what came of it."""
    stop = stop or Stop()
    scheduler = Scheduler(NODES, turns, stop)

    def one(node: str) -> object:
        with scheduler.turn(node):
            found = work.get(node)
            return found(scheduler) if found else None

    return {r.node: r for r in each(NODES, one, cap=len(NODES), stop=stop)}


@pytest.mark.parametrize("turns", [1, 2, 3])
def test_a_waiting_node_gives_its_turn_to_the_one_that_it_waits_for(turns: int) -> None:
    def gives(scheduler: Scheduler) -> None:
        scheduler.on_playbook_done("three", "registry")

    def needs(scheduler: Scheduler) -> bool:
        return scheduler.wait_for("three", "registry", 20)

    found = meet({"one": needs, "two": needs, "three": gives}, turns)
    assert [found[node].value for node in NODES] == [True, True, None]


def test_never_more_at_work_than_there_are_turns() -> None:
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

    meet(dict.fromkeys(NODES, works), 1)
    assert most == 1


@pytest.mark.parametrize("turns", [1, 2, 3])
def test_nodes_begin_in_their_order(turns: int) -> None:
    begun: list[str] = []

    def begins(node: str) -> Callable[[Scheduler], None]:
        return lambda _: begun.append(node)

    meet({node: begins(node) for node in NODES}, turns)
    if turns == 1:
        assert begun == list(NODES)
    assert sorted(begun) == sorted(NODES)


def test_one_that_failed_is_not_waited_for() -> None:
    def fails(_: Scheduler) -> None:
        raise LabctlError("no power")

    found = meet({"one": fails, "two": lambda m: m.wait_for("one", "registry")}, 3)
    assert isinstance(found["two"].error, DependencyFailed)
    assert "one failed" in found["two"].error.message
    assert found["three"].ok


def test_one_that_failed_later_has_given_what_was_needed() -> None:
    def fails(scheduler: Scheduler) -> None:
        scheduler.on_playbook_done("one", "registry")
        raise LabctlError("no power")

    found = meet({"one": fails, "two": lambda m: m.wait_for("one", "registry", 20)}, 1)
    assert found["two"].value is True


def test_one_that_does_other_playbooks_or_is_not_there_is_not_waited_for() -> None:
    found = meet({"two": lambda m: (m.wait_for("one", "x", 20), m.wait_for("nine", "x", 20))}, 2)
    assert found["two"].value == (False, False)


def test_a_playbook_that_the_run_passes_over_is_not_waited_for() -> None:
    """Or two nodes that ask each other for it would wait until the other one ends."""
    scheduler = Scheduler(NODES, 3, Stop(), ["overlay"])

    def one(node: str) -> bool:
        with scheduler.turn(node):
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

    found = meet({"one": lambda _: late.wait(20), "two": waits}, 3)
    assert isinstance(found["two"].error, DependencyFailed)
    assert "registry" in found["two"].error.message


@pytest.mark.parametrize("turns", [1, 3])
def test_all_are_waited_for_good_or_bad(turns: int) -> None:
    seen: list[str] = []

    def checked(node: str) -> Callable[[Scheduler], None]:
        def work(scheduler: Scheduler) -> None:
            if node == "two":
                raise LabctlError("no power")
            seen.append(f"provisioned {node}")
            scheduler.provisioned(node)
            scheduler.wait_for_all(20)
            seen.append(f"checked {node}")

        return work

    meet({node: checked(node) for node in NODES}, turns)
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
            with scheduler.turn(node):
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


def test_who_waits_for_a_turn_is_woken_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Or three hundred nodes would spend their time on waking each other."""
    woken = 0
    wait = threading.Condition.wait

    def counted(self: threading.Condition, timeout: float | None = None) -> bool:
        nonlocal woken
        told = wait(self, timeout)
        woken += told
        return told

    many = [f"node{number}" for number in range(60)]
    scheduler = Scheduler(many, 4, Stop())

    def one(node: str) -> None:
        with scheduler.turn(node):
            scheduler.on_playbook_done(node, "engine")

    monkeypatch.setattr("labctl.provision.scheduler.threading.Condition.wait", counted)
    threads = [threading.Thread(target=one, args=(node,)) for node in reversed(many)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert woken <= 3 * len(many)
