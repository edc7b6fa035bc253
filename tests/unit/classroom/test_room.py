"""A class as labctl sees it: its students, their labs, and what is kept between runs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from labctl.classroom.room import Classroom
from labctl.classroom.students import ClassRecord
from labctl.errors import LabctlError, StateError, UsageError
from labctl.events import Notice
from labctl.lab.boot import vagrantfile
from labctl.lab.lab import Lab
from labctl.lab.workspace import Workspace
from labctl.machines import libvirt_host
from labctl.parallel import Result

HOSTS = """\
nodes: 2
name: docker
class:
  students: roster.csv
  hosts:
    - {name: hv1, uri: "qemu+ssh://lab@hv1.room:2222/system", key: ~/a key}
    - {name: hv2, uri: "qemu+ssh://hv2/system"}
"""


def write(text: str, roster: str = "anna,Anna May\n王芳\nbo\n") -> None:
    Path("lab.yaml").write_text(text, "utf-8")
    Path("roster.csv").write_text(roster, "utf-8")


def room(events: list[Any] | None = None, *students: str) -> Classroom:
    emit = (lambda _: None) if events is None else events.append
    found = Classroom.open(Workspace.find(), {}, emit=emit)
    found.choose(students)
    return found


def test_a_lab_is_a_class_if_it_says_so() -> None:
    write(HOSTS)
    assert Lab.open(Workspace.find(), {}, emit=lambda _: None).is_class
    write("nodes: 2\n")
    assert not Lab.open(Workspace.find(), {}, emit=lambda _: None).is_class


def test_nodes_of_all_students() -> None:
    write(HOSTS)
    found = room()
    assert [one.id for one in found.students] == ["anna", "s01", "bo"]
    assert found.node_names == (
        *("anna/docker-node1", "anna/docker-node2"),
        *("s01/docker-node1", "s01/docker-node2"),
        *("bo/docker-node1", "bo/docker-node2"),
    )
    assert {node.address for node in found.nodes} == {"192.168.56.11", "192.168.56.12"}
    assert found.select(["docker-node2"]) == [
        *("anna/docker-node2", "s01/docker-node2", "bo/docker-node2"),
    ]
    assert found.select(["anna/*"]) == ["anna/docker-node1", "anna/docker-node2"]
    with pytest.raises(UsageError, match="no node 'node9'"):
        found.select(["node9"])


@pytest.mark.parametrize(
    ("patterns", "chosen"),
    [
        (["anna"], ["anna"]),
        (["王芳,b*"], ["s01", "bo"]),
        (["Anna May", "*"], ["anna", "s01", "bo"]),
    ],
)
def test_students_are_chosen_by_id_name_and_pattern(patterns: list[str], chosen: list[str]) -> None:
    write(HOSTS)
    assert [one.id for one in room(None, *patterns).students] == chosen


@pytest.mark.parametrize("pattern", ["ana", "", "anna,"])
def test_a_student_who_is_not_there_is_an_error(pattern: str) -> None:
    write(HOSTS)
    with pytest.raises(UsageError):
        room(None, pattern)


def test_each_student_has_a_lab_with_the_same_nodes() -> None:
    write(HOSTS)
    found = room()
    labs = [found.student_lab(one) for one in found.students]
    assert [lab.name for lab in labs] == ["docker-anna", "docker-s01", "docker-bo"]
    assert {lab.node_names for lab in labs} == {("docker-node1", "docker-node2")}
    assert {lab.spec.network for lab in labs} == {"192.168.56.0/24"}
    assert labs[1].spec.name == "docker-s01"
    states = {lab.workspace.state for lab in labs}
    assert states == {Path.cwd() / ".labctl/students" / one for one in ("anna", "s01", "bo")}


def test_places_and_ids_are_kept_and_a_student_who_leaves_stays_known() -> None:
    from dataclasses import replace

    write(HOSTS)
    with room().saving("plan") as record:
        record.students["bo"] = replace(record.students["bo"], placed="hv2", number=7)
    write(HOSTS, "王芳\nanna,Anna May\n")
    again = room()
    assert [one.id for one in again.students] == ["s01", "anna"]
    left = again.record.students["bo"]
    assert (left.left, left.placed, left.number) == (True, "hv2", 7)
    assert [one.id for one in room(None, "bo").students] == ["bo"]
    site = again.site_of("bo")
    assert site.management_address == "10.201.7.0/24"
    assert site.host is again.hosts["hv2"]


def test_a_damaged_record_is_an_error_because_machines_would_lose_their_students() -> None:
    write(HOSTS)
    with room().saving("plan"):
        pass
    file = Path(".labctl/students.json")
    data = json.loads(file.read_text("utf-8"))
    for damaged in ("{", "[]", json.dumps(data | {"students": [{"id": 3}]})):
        file.write_text(damaged, "utf-8")
        with pytest.raises(StateError, match="damaged"):
            ClassRecord.read(file)


def test_a_host_that_left_lab_yaml_is_not_replaced_by_this_computer() -> None:
    from dataclasses import replace

    write(HOSTS)
    with room().saving("plan") as record:
        record.students["bo"] = replace(record.students["bo"], placed="hv2")
    write(HOSTS.replace('    - {name: hv2, uri: "qemu+ssh://hv2/system"}\n', ""))
    with pytest.raises(UsageError, match="no longer has the host hv2"):
        room().site_of("bo")


def test_a_vagrantfile_on_a_host(monkeypatch: pytest.MonkeyPatch) -> None:
    from dataclasses import replace

    monkeypatch.setattr(libvirt_host.LibvirtHost, "connect", lambda self: True)
    write(HOSTS)
    with room().saving("plan") as record:
        record.owner = "labctl-1"
        record.students["s01"] = replace(record.students["s01"], placed="hv1", number=3)
    found = room()
    text = vagrantfile(found.student_lab(found.record.students["s01"]), "libvirt")
    script = Path.cwd() / ".labctl/hosts/hv1/ssh"
    for line in (
        f'libvirt.uri = "qemu+ssh://hv1.room/system?command={script}"',
        f'libvirt.proxy_command = "{script} -W %h:%p hv1.room"',
        'libvirt.description = "labctl-1"',
        'libvirt.default_prefix = "docker-s01-"',
        'libvirt.management_network_name = "docker-s01-mgmt"',
        'libvirt.management_network_address = "10.201.3.0/24"',
        "libvirt.management_network_keep = true",
        'libvirt__network_name: "docker-s01-lab"',
        'libvirt__forward_mode: "veryisolated"',
        "libvirt__always_destroy: false",
        'libvirt.cpu_model = "Westmere"',
    ):
        assert line in text, text


def test_virtualbox_has_a_network_for_each_student() -> None:
    write("provider: virtualbox\nname: docker\nclass: {students: 2}\n")
    found = room()
    labs = [found.student_lab(one) for one in found.students]
    texts = [vagrantfile(lab, "virtualbox") for lab in labs]
    assert 'virtualbox__intnet: "docker-s01-lab"' in texts[0]
    assert 'virtualbox__intnet: "docker-s02-lab"' in texts[1]


def test_the_script_of_a_host() -> None:
    write(HOSTS)
    hosts = room().hosts
    host = hosts["hv1"]
    host.make()
    text = Path(".labctl/hosts/hv1/ssh").read_text("utf-8")
    assert "-o User=lab -o Port=2222 -o " in text
    assert "a key'" in text
    assert "ServerAliveInterval=5" in text
    assert host.libvirt_uri.startswith("qemu+ssh://hv1.room/system?command=")


def test_existing_machines_of_a_roster() -> None:
    write(
        "class: {students: roster.csv, login: {user: teacher, port: 2222}}\n",
        "anna,,10.0.0.1\nbo,,pc2.room\n",
    )
    found = room()
    assert not found.uses_vagrant
    assert found.node_names == ("anna/docker-node1", "bo/docker-node1")
    target = found.target("bo/docker-node1")
    assert (target.name, target.host, target.port, target.user) == (
        *("docker-node1", "pc2.room", 2222),
        "teacher",
    )
    lab = found.student_lab(found.record.students["anna"])
    assert not lab.uses_vagrant
    assert lab.spec.machines is not None
    assert [(one.host, one.user) for one in lab.spec.machines] == [("10.0.0.1", "teacher")]


def test_results_and_events_name_the_student() -> None:
    write(HOSTS)
    events: list[Any] = []
    found = room(events)

    def work(lab: Lab, nodes: Any) -> list[Result[str]]:
        lab.emit(Notice("docker-node1", "x"))
        lab.emit(Notice("", "y"))
        if lab.name == "docker-s01":
            raise LabctlError("lost")
        error = LabctlError("bad", node=nodes[1])
        return [Result(nodes[0], lab.name), Result(nodes[1], None, error)]

    results = found.on_students(work, cap=1)
    assert [(one.node, one.value, one.error and one.error.node) for one in results] == [
        ("anna/docker-node1", "docker-anna", None),
        ("anna/docker-node2", None, "anna/docker-node2"),
        ("s01", None, "s01"),
        ("bo/docker-node1", "docker-bo", None),
        ("bo/docker-node2", None, "bo/docker-node2"),
    ]
    assert [event.node for event in events][:2] == ["anna/docker-node1", "anna"]
