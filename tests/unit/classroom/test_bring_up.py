"""The order of work on hosts: limits, hosts that are lost, and what is found on them."""

from __future__ import annotations

import threading
from concurrent.futures import Future
from typing import Any

import pytest

from labctl.classroom.bring_up import HostGate
from labctl.classroom.prepare import Found, make_networks, number_networks
from labctl.errors import MachineError
from labctl.machines.site import Site


class FakeHost:
    """A libvirt host that answers from a table; it stands for virsh over ssh."""

    name = "hv1"

    def __init__(self, *answers: str | Exception) -> None:
        self.answers = list(answers)
        self.said: list[str] = []

    def virsh(self, commands: Any, timeout: float = 60.0) -> str:
        self.said.append("; ".join(commands))
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    def ask(self, *questions: str, timeout: float = 60.0) -> list[str]:
        return [self.virsh([one]) for one in questions]

    def lost(self, reason: str) -> MachineError:
        return MachineError(reason)


def gate(*answers: str | Exception) -> HostGate:
    return HostGate(FakeHost(*answers), 2)  # type: ignore[arg-type]


ALL = threading.Semaphore(9)


def test_a_host_that_cannot_be_prepared_fails_each_student_on_its_own() -> None:
    one = gate()
    one.prepared = Future()
    one.prepared.set_exception(MachineError("no pool", hint="look"))
    errors = []
    for _ in range(2):
        with pytest.raises(MachineError, match="no pool") as caught, one.slot(ALL):
            pass
        errors.append(caught.value)
    assert errors[0] is not errors[1]
    assert errors[1].hint == "look"


def test_after_a_failure_a_host_is_looked_at_once_and_given_up() -> None:
    one = gate("version", MachineError("no answer"))
    one.failed()  # it answers: the failure was the machine's own
    with one.slot(ALL):
        pass
    one.failed()
    one.failed()
    with pytest.raises(MachineError, match="no answer"), one.slot(ALL):
        pass


def test_no_more_labs_than_a_host_allows_come_up_at_once() -> None:
    one = gate()
    most = now = 0
    guard = threading.Lock()

    def work() -> None:
        nonlocal most, now
        with one.slot(ALL):
            with guard:
                now += 1
                most = max(most, now)
            threading.Event().wait(0.02)
            with guard:
                now -= 1

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == 2


def network(name: str, number: int) -> str:
    return f"<network><name>{name}</name><ip address='10.201.{number}.1' netmask='x'/></network>"


def test_numbers_of_networks_are_those_that_exist_or_free_ones() -> None:
    there = {
        "docker-anna-mgmt": network("docker-anna-mgmt", 4),
        "others": network("others", 0),
        "default": "<network><ip address='192.168.122.1'/></network>",
    }
    found = Found(there, frozenset(), frozenset())
    labs = {one: f"docker-{one}" for one in ("anna", "bo", "chen", "dan")}
    wanted = {"anna": 9, "bo": 0, "chen": -1, "dan": 2}
    numbers = number_networks(FakeHost(), found, wanted, labs)  # type: ignore[arg-type]
    assert numbers == {"anna": 4, "bo": 1, "chen": 3, "dan": 2}


def test_a_host_without_a_free_network_says_so() -> None:
    there = {str(n): network(str(n), n) for n in range(256)}
    found = Found(there, frozenset(), frozenset())
    with pytest.raises(MachineError, match=r"10\.201"):
        number_networks(FakeHost(), found, {"anna": -1}, {"anna": "a"})  # type: ignore[arg-type]


def test_networks_that_run_are_left_alone() -> None:
    site = Site("docker-anna", "labctl-1", number=3)
    names = frozenset(site.definitions())
    host = FakeHost()
    make_networks(host, Found({}, names, frozenset()), [site])  # type: ignore[arg-type]
    assert host.said == []


def test_a_network_that_does_not_start_is_an_error_and_an_inactive_one_is_started() -> None:
    site = Site("docker-anna", "labctl-1", number=3)
    mgmt, private = site.definitions()
    there = {mgmt: "<network/>", private: "<network/>"}
    host = FakeHost(f"{mgmt}\n")
    with pytest.raises(MachineError, match="docker-anna-lab"):
        make_networks(
            host,  # type: ignore[arg-type]
            Found(there, frozenset({mgmt}), frozenset()),
            [site],
        )
    assert host.said == [f"net-start {private}; net-list --name"]


def test_two_students_share_no_bridge_and_no_name() -> None:
    sites = [Site(f"docker-{one}", "labctl-1", number=n) for n, one in enumerate(("a", "a-2"))]
    texts = [text for site in sites for text in site.definitions().values()]
    bridges = [text.partition("<bridge name='")[2].partition("'")[0] for text in texts]
    assert len({*bridges}) == 4
    assert all(len(bridge) <= 15 for bridge in bridges)
