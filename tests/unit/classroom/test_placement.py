"""Capacity as libvirt reports it, and the places of students."""

from __future__ import annotations

import pytest

from labctl.classroom.capacity import RESERVED, Capacity, parse
from labctl.classroom.placement import Need, place
from labctl.classroom.students import Student

ANSWERS = """\
total  :            25165824 KiB
free   :             1000000 KiB
buffers:               1 KiB
cached :               1 KiB
== pool
Name:           default
Capacity:       1000000000
Available:      53687091200
== machines
Domain: 'docker-anna-docker-node1'
  balloon.current=524288
  balloon.maximum=2097152
Domain: 'somebody'
  balloon.maximum=4194304
== end
"""
NEED = Need(memory=2048, disk=20480)


def students(*ids: str, **placed: str) -> list[Student]:
    return [Student(one, one, placed=placed.get(one, "")) for one in ids]


def test_machines_of_others_count_with_their_whole_memory() -> None:
    found = parse(ANSWERS, {"docker-anna-docker-node1"}, None, emulated=False)
    assert found == Capacity(24576 - RESERVED - 4096, 51200)
    assert parse(ANSWERS, set(), None, emulated=True).memory == 24576 - RESERVED - 4096 - 2048
    assert parse(ANSWERS, set(), 8000, emulated=False).memory == 8000
    no_pool = ANSWERS.replace("Available", "Nothing")
    assert parse(no_pool, set(), None, emulated=False).disk is None


@pytest.mark.parametrize("text", ["", "error: failed", "total : many KiB\n== pool\n"])
def test_answers_that_are_not_libvirts(text: str) -> None:
    with pytest.raises(ValueError, match="memory"):
        parse(text, set(), None, emulated=False)


def test_students_go_where_most_room_is() -> None:
    hosts = {"hv1": Capacity(4096, None), "hv2": Capacity(6200, None)}
    plan = place(students("a", "b", "c", "d", "e"), hosts, NEED)
    assert plan.places == {"a": "hv2", "b": "hv2", "c": "hv1", "d": "hv2", "e": "hv1"}
    assert [(host.name, host.memory) for host in plan.hosts] == [("hv1", 4096), ("hv2", 6144)]
    assert not plan.missing
    assert not plan.short


def test_what_has_no_room_is_missing() -> None:
    hosts = {"hv1": Capacity(4096, None)}
    plan = place(students("a", "b", "c"), hosts, NEED)
    assert plan.missing == {"c": "no host has 2048 MiB left"}
    assert place(students("a", "b", "c"), hosts, NEED, overcommit=True).missing == {}
    by_disk = place(students("a", "b"), {"hv1": Capacity(99999, 30000)}, NEED)
    assert list(by_disk.missing) == ["b"]


def test_places_are_kept() -> None:
    hosts = {"hv1": Capacity(2048, None), "hv2": Capacity(99999, None)}
    plan = place(students("a", "b", "c", b="hv1"), hosts, NEED)
    assert plan.places == {"a": "hv2", "b": "hv1", "c": "hv2"}
    full = place(students("b", "c", b="hv1", c="hv1"), hosts, NEED)
    assert full.places == {"b": "hv1", "c": "hv1"}
    assert full.short == ("hv1 lacks 2048 MiB of memory",)


def test_students_of_a_host_that_is_left_out_are_placed_nowhere_else() -> None:
    hosts: dict[str, Capacity | str] = {"hv1": Capacity(9999, None), "hv2": "no answer"}
    plan = place(students("a", "b", "c", b="hv2", c="gone"), hosts, NEED, without=["hv2"])
    assert plan.places == {"a": "hv1"}
    assert plan.missing == {
        "b": "its host hv2 is left out",
        "c": "its host gone is left out",
    }
    assert [host.name for host in plan.hosts] == ["hv1"]


def test_a_host_that_does_not_answer_keeps_its_students_and_gets_no_others() -> None:
    hosts: dict[str, Capacity | str] = {"hv1": Capacity(2048, None), "hv2": "no answer"}
    plan = place(students("a", "b", "c", b="hv2"), hosts, NEED)
    assert plan.places == {"a": "hv1", "b": "hv2"}
    assert list(plan.missing) == ["c"]
    assert {host.name: host.problem for host in plan.hosts} == {"hv1": "", "hv2": "no answer"}
