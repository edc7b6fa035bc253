"""A class on two libvirt hosts, which are reached over ssh alone.

Four students have a machine each, two on a host, with the same name and address. The tests tell one
story, in their order. The hosts are made by `tests/testbed/hypervisor.py`.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.conftest import Lab, Run, spec
from tests.testbed import World
from tests.testbed.hypervisor import Hypervisor
from tests.vbox import box, ending
from tests.vbox.home import Home
from tests.vbox.registry import Registry

NODE = "docker-node1"
FIRST, SECOND = "hv1", "hv2"
STUDENTS = {"anna": FIRST, "s01": SECOND, "bo": FIRST, "chen": SECOND}
PLAY = """\
from labctl.playbook import Command

def play(play):
    yield Command("greeting", "test -e /var/tmp/greeting", "touch /var/tmp/greeting")
"""
VERIFY = """\
def test_greeting(host):
    assert host.file("/var/tmp/greeting").exists
"""
# One short playbook: the others' tests are elsewhere, and packages take long on emulated machines.
WISHES: dict[str, Any] = {"nodes": 1, "memory": 512, "boot_timeout": 900, "playbooks": ["greeting"]}
ROSTER = "\ufeff姓名;full name\r\nanna;Anna May\r\n王芳\r\nbo\r\nchen;Chen Li\r\n"


@pytest.fixture(scope="module")
def hosts(world: World) -> Iterator[dict[str, Hypervisor]]:
    hosts = {
        name: Hypervisor(name, f"10.77.0.{number}", world.folder / name, world.state.keys / "login")
        for number, name in enumerate((FIRST, SECOND), start=201)
    }
    try:
        for host in hosts.values():
            host.remove()
            host.start()
        yield hosts
    finally:
        for host in hosts.values():
            host.remove()


@pytest.fixture(scope="module")
def lab(
    world: World, hosts: dict[str, Hypervisor], tmp_path_factory: pytest.TempPathFactory
) -> Lab:
    folder = tmp_path_factory.mktemp("class") / "docker"
    folder.mkdir()
    lab = Lab(folder)
    (folder / "roster.csv").write_bytes(ROSTER.encode())
    listed = [
        {"name": host.name, "uri": host.uri, "key": str(host.key), "memory": 1200}
        for host in hosts.values()
    ]
    write_playbook(folder)
    lab.write(spec(world, **WISHES) | {"class": {"students": "roster.csv", "hosts": listed}})
    return lab


def write_playbook(folder: Path) -> None:
    """Write the playbook of these tests into a lab's folder."""
    book = folder / "playbooks/greeting"
    book.mkdir(parents=True)
    (book / "play.py").write_text(PLAY)
    (book / "verify.py").write_text(VERIFY)


def ended(run: Run) -> dict[str, bool]:
    """Return how each student's lab ended."""
    return {one["student"]: one["ok"] for one in run.of("student")}


def machines(host: Hypervisor) -> list[str]:
    """Return the names of a host's machines."""
    text = host.sh(f"virsh -q -c 'qemu:///system?socket={host.socket}' list --all --name")
    return sorted(text.split())


def managed(addresses: str) -> str:
    """Return the address of a machine's management network."""
    return next(one for one in addresses.split() if one.startswith("10.201."))


def test_the_plan_shows_places_before_anything_is_made(
    lab: Lab, hosts: dict[str, Hypervisor]
) -> None:
    run = lab.run("plan").expect(0)
    assert {one["student"]: one["host"] for one in run.of("placed")} == STUDENTS
    assert [one["name"] for one in run.of("placed")] == ["anna", "王芳", "bo", "chen"]
    for host in run.of("host"):
        assert (host["memory_asked"], host["memory"]) == (1024, 1200)
        assert host["emulated"]
        assert machines(hosts[host["host"]]) == []
    short = lab.run("plan", "--without", SECOND).expect(1)
    missing = [one["student"] for one in short.of("placed") if one["missing"]]
    assert missing == ["bo", "chen"]
    lab.run("plan", "--without", SECOND, "--overcommit").expect(0)


def test_a_host_is_cut_off_while_the_class_comes_up(lab: Lab, hosts: dict[str, Hypervisor]) -> None:
    def second_boots(line: str) -> bool:
        return '"MachineOutput"' in line and "chen/" in line and "Waiting for domain" in line

    process = lab.start_until(second_boots, "up")
    hosts[SECOND].cut()
    began = time.monotonic()
    assert process.stdout is not None
    waiting, lines = {"s01", "chen"}, []
    for line in process.stdout:
        lines.append(line)
        event = json.loads(line)
        if event.get("phase") == "failed":
            waiting.discard(event["node"].partition("/")[0])
        if not waiting:
            break
    assert time.monotonic() - began < 120, "".join(lines)[-3000:]
    run = lab.finish(process, 900).expect(1)
    assert ended(run) == {one: host == FIRST for one, host in STUDENTS.items()}
    for one in ("anna", "bo"):
        checks = run.result(f"{one}/{NODE}")["checks"]
        assert checks
        assert {check["outcome"] for check in checks} == {"passed"}


def test_the_same_command_completes_the_class(lab: Lab, hosts: dict[str, Hypervisor]) -> None:
    hosts[SECOND].restore()
    run = lab.run("up").expect(0)
    assert ended(run) == dict.fromkeys(STUDENTS, True)
    names = [f"docker-{one}-{NODE}" for one in STUDENTS]
    for name, host in hosts.items():
        assert machines(host) == sorted(n for n in names if STUDENTS[n.split("-")[1]] == name)
    shown = lab.run("exec", "--", "hostname; hostname -I").expect(0).of("executed")
    assert {one["node"] for one in shown} == {f"{one}/{NODE}" for one in STUDENTS}
    for one in shown:
        assert one["stdout"].split()[0] == NODE
        assert "192.168.56.11" in one["stdout"]


def test_commands_take_students(lab: Lab) -> None:
    rows = lab.run("status", "--student", "b*,anna").expect(0).of("status")
    assert [(row["student"], row["state"]) for row in rows] == [
        ("anna", "running"),
        ("bo", "running"),
    ]
    ssh = subprocess.run(
        [*lab.command, "ssh", f"chen/{NODE}", "--", "id", "-un"],
        cwd=lab.folder, env=lab.whole_environment, capture_output=True, text=True, check=True,
        stdin=subprocess.DEVNULL,
    )  # fmt: skip
    assert ssh.stdout == "vagrant\n"
    (lab.folder / "hello").write_text("hello\n")
    assert len(lab.run("scp", "hello", "all:/tmp/").expect(0).of("copied")) == 4
    lab.run("scp", "hello", f"s01/{NODE}:/tmp/again").expect(0)
    lab.run("scp", f"s01/{NODE}:/tmp/again", "back").expect(0)
    assert (lab.folder / "back").read_text() == "hello\n"
    assert ended(lab.run("verify").expect(0)) == dict.fromkeys(STUDENTS, True)
    assert ended(lab.run("provision", "--student", "王芳").expect(0)) == {"s01": True}


def firewall_rules() -> list[str]:
    """Return the commands that docs/security.md gives for hosts of a class."""
    text = (Path(__file__).parents[2] / "docs/security.md").read_text("utf-8")
    return [line for line in text.splitlines() if line.startswith("iptables -I")]


def test_no_packet_gets_from_one_student_to_another(lab: Lab, hosts: dict[str, Hypervisor]) -> None:
    addresses = {
        one["node"].split("/")[0]: managed(one["stdout"])
        for one in lab.run("exec", "--", "hostname -I").expect(0).of("executed")
    }
    # With a route and an address of the other's network, too; on the private one it has its own.
    probe = (
        "for a in %s; do ip route replace $a/32 via %s 2>/dev/null;"
        " ping -c 1 -W 1 $a >/dev/null 2>&1 && echo reached $a;"
        ' timeout 2 bash -c "exec 3<>/dev/tcp/$a/22" 2>/dev/null && echo opened $a; done;'
        " ip address add 192.168.56.99/24 dev eth0;"
        " ping -c 1 -W 1 -I eth0 192.168.56.11 >/dev/null 2>&1 && echo reached private;"
        " ip address del 192.168.56.99/24 dev eth0;"
        " ping -c 1 -W 2 %s >/dev/null && echo the gateway"
    )
    for one, address in addresses.items():
        others = " ".join(other for name, other in addresses.items() if name != one)
        gateway = address.rpartition(".")[0] + ".1"
        command = probe % (others, gateway, gateway)
        (run,) = lab.run("exec", "--student", one, "--sudo", "--", command).expect(0).of("executed")
        assert run["stdout"] == "the gateway\n"  # the probe works
    # The rules of docs/security.md close what the host itself offers, and let labctl in still.
    knock = "timeout 3 bash -c 'exec 3<>/dev/tcp/{}/22' 2>/dev/null && echo open || echo closed"
    for answer in ("open", "closed"):
        knocked = lab.run(
            "exec", "--student", "anna", "--", knock.format(hosts[FIRST].address)
        ).expect(0)
        assert knocked.of("executed")[0]["stdout"] == f"{answer}\n"
        hosts[FIRST].sh("\n".join(firewall_rules()))
    lab.run("exec", "--student", "anna", "--", "getent hosts vault.centos.org").expect(0)


def test_a_student_moves_and_the_class_ends(lab: Lab, hosts: dict[str, Hypervisor]) -> None:
    refused = lab.run("move", "bo", "--to", SECOND, "--yes").expect(1)
    assert "no host has 512 MiB left" in refused.error["message"]
    lab.run("destroy", "--student", "chen", "--yes").expect(0)
    run = lab.run("move", "bo", "--to", SECOND, "--yes").expect(0)
    assert run.of("moved")[0]["host"] == SECOND
    assert machines(hosts[FIRST]) == [f"docker-anna-{NODE}"]
    assert ended(lab.run("up", "--student", "bo").expect(0)) == {"bo": True}
    assert machines(hosts[SECOND]) == [f"docker-bo-{NODE}", f"docker-s01-{NODE}"]
    lab.run("destroy", "--yes").expect(0)
    for host in hosts.values():
        assert machines(host) == []
        networks = host.sh(f"virsh -q -c 'qemu:///system?socket={host.socket}' net-list --all")
        assert networks.split() == []


def test_two_students_on_this_computer_with_virtualbox(
    world: World, tmp_path_factory: pytest.TempPathFactory
) -> None:
    place = Path(tempfile.mkdtemp(prefix="virtualbox-", dir=world.folder))
    home = Home.of({"VBOX_DOUBLE_HOME": str(place / "home")})
    box.add(box.cached(), place / "vagrant")
    folder = tmp_path_factory.mktemp("here") / "docker"
    folder.mkdir()
    programs = (str(Path(box.__file__).with_name("bin")), str(Path(sys.executable).parent))
    environment = {
        "PATH": os.pathsep.join([*programs, os.environ["PATH"]]),
        "VAGRANT_HOME": str(place / "vagrant"),
        "VBOX_DOUBLE_HOME": str(home.root),
        "VBOX_DOUBLE_VERSION": "7.0",
    }
    lab = Lab(folder, environment)
    write_playbook(folder)
    lab.write(spec(world, provider="virtualbox", **WISHES) | {"class": {"students": 2}})
    try:
        lab.run("plan").expect(0)
        assert ended(lab.run("up").expect(0)) == {"s01": True, "s02": True}
        shown = lab.run("exec", "--", "hostname -I").expect(0).of("executed")
        assert len(shown) == 2
        assert all("192.168.56.11" in one["stdout"] for one in shown)
        registry = Registry(home)
        networks = [
            nic.adapter
            for student in ("s01", "s02")
            for _, nic in registry.find(f"docker-{student}-{NODE}").hardware.attached()
            if nic.kind == "intnet"
        ]
        assert networks == ["docker-s01-lab", "docker-s02-lab"]
        lab.run("destroy", "--student", "s01", "--yes").expect(0)
        rows = {row["student"]: row["state"] for row in lab.run("status").of("status")}
        assert rows == {"s01": "absent", "s02": "running"}
        lab.run("destroy", "--yes").expect(0)
    finally:
        ending.end_all(home)
        shutil.rmtree(place)
