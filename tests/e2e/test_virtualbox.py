"""The course's provider: real Vagrant drives VirtualBox's double (tests/vbox), QEMU runs the nodes.

VirtualBox itself does not run here. What labctl makes Vagrant tell it stands in the double's log,
and the machines that come of it are real ones. One lab is brought up once; the tests of this file
build on one another. Only two playbooks run: what the engine does is the other files' matter.
"""

from __future__ import annotations

import os
import shutil
import socket
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

import pytest

from tests.e2e import day
from tests.e2e.conftest import Lab, spec
from tests.e2e.day import FIRST, NAMES, SECOND, Cut, InstructorsDay
from tests.testbed import World
from tests.vbox import box, ending, log, process
from tests.vbox.home import Home
from tests.vbox.network import Interfaces
from tests.vbox.registry import Registry

ADDRESSES = ("192.168.56.11", "192.168.56.12")
PROGRAMS = Path(box.__file__).with_name("bin")
WISHES = {
    "memory": 768,
    "cpus": 1,
    "dns_host_resolver": True,
    "boot_timeout": 1200,
    "playbooks": day.PLAYBOOKS,
    "synced_folders": [day.FOLDER],
}


@pytest.fixture(scope="module")
def home(world: World) -> Iterator[Home]:
    # In the world's folder: a real file system with room, and removed with the world.
    place = Path(tempfile.mkdtemp(prefix="virtualbox-", dir=world.folder))
    home = Home.of({"VBOX_DOUBLE_HOME": str(place / "home")})
    yield home
    # After a failure too, or the machines would take the processors from the tests that follow.
    ending.end_all(home)
    shutil.rmtree(place)


@pytest.fixture(scope="module")
def lab(home: Home, tmp_path_factory: pytest.TempPathFactory) -> Lab:
    vagrant = home.root.with_name("vagrant")
    box.add(box.cached(), vagrant)
    folder = tmp_path_factory.mktemp("virtualbox") / "lab"
    folder.mkdir()
    environment = {
        # The double is called hundreds of times, so it gets these tests' Python, and not a wrapper
        # that first looks for one.
        "PATH": os.pathsep.join(
            [str(PROGRAMS), str(Path(sys.executable).parent), os.environ["PATH"]]
        ),
        "VAGRANT_HOME": str(vagrant),
        "VBOX_DOUBLE_HOME": str(home.root),
        "VBOX_DOUBLE_VERSION": "6.1",
    }
    lab = Lab(folder, environment)
    day.fill(lab)
    return lab


@pytest.fixture(scope="module")
def registry(home: Home) -> Registry:
    return Registry(home)


@pytest.fixture
def cut(lab: Lab, registry: Registry) -> Cut:
    """After its reboot the host has a VirtualBox one newer."""

    def cut(node: str) -> None:
        machine = registry.find(f"lab-{node}")
        process.stop(machine, registry.folder(machine))
        lab.environment["VBOX_DOUBLE_VERSION"] = "7.0"

    return cut


def told(home: Home, *words: str) -> list[log.Call]:
    """Return the successful calls of VBoxManage that begin with `words`."""
    calls = log.read(home.log)
    return [c for c in calls if tuple(c.argv[: len(words)]) == words and not c.exit_code]


def test_a_network_that_virtualbox_refuses_touches_nothing(
    lab: Lab, world: World, home: Home
) -> None:
    lab.write(spec(world, network="192.168.205.0/24", **WISHES))
    run = lab.run("up", "--nodes", "2", "--provider", "virtualbox").expect(2)
    assert "192.168.56.0/21" in run.stdout
    assert not told(home, "import")
    assert not told(home, "hostonlyif")


def test_killed_while_a_machine_boots_and_up_again_gives_a_verified_lab(
    lab: Lab, world: World
) -> None:
    """labctl is gone at once; the Vagrant that it had started works on, and is waited for."""
    lab.write(spec(world, **WISHES))
    up = ("up", "--nodes", "2", "--provider", "virtualbox")
    killed = lab.start_until(lambda line: "Booting VM" in line, *up)
    killed.kill()
    killed.communicate()
    run = lab.run("up").expect(0)  # what the flags said is remembered
    for name in NAMES:
        checks = run.result(name)["checks"]
        assert checks
        assert {check["outcome"] for check in checks} == {"passed"}


@pytest.mark.parametrize("name", NAMES)
def test_virtualbox_gets_the_values_of_lab_yaml(home: Home, registry: Registry, name: str) -> None:
    (interface,) = Interfaces(home).all()
    settings: dict[str, str] = {}
    for call in told(home, "modifyvm", registry.find(f"lab-{name}").uuid):
        settings |= call.pairs()
    wanted = {
        "name": f"lab-{name}",
        "memory": "768",
        "cpus": "1",
        "natdnshostresolver1": "on",
        "nic2": "hostonly",
        "hostonlyadapter2": interface.name,
    }
    assert {key: settings.get(key) for key in wanted} == wanted
    assert settings["natpf1"].startswith("ssh,tcp,127.0.0.1,")


def test_the_box_is_imported_once_and_its_disk_shared(home: Home, registry: Registry) -> None:
    (imported,) = [call for call in told(home, "import") if "-n" not in call.argv]
    clones = told(home, "clonevm")
    assert len(clones) == len(NAMES)
    assert all(call.argv[-2:] == ["--options", "link"] for call in clones)
    base = registry.find(imported.argv[imported.argv.index("--vmname") + 1])
    assert {registry.find(f"lab-{name}").base for name in NAMES} == {base.uuid}


def test_one_host_only_network_with_the_hosts_end(home: Home) -> None:
    assert len(told(home, "hostonlyif", "create")) == 1
    (interface,) = Interfaces(home).all()
    (configured,) = told(home, "hostonlyif", "ipconfig")
    assert configured.argv[2:] == [
        *(interface.name, "--ip", "192.168.56.1", "--netmask", "255.255.255.0")
    ]


def test_the_second_is_not_begun_before_the_first_is_made(home: Home, registry: Registry) -> None:
    # An import, and the making of a network, race in VirtualBox.
    started = told(home, "startvm", registry.find(f"lab-{FIRST}").uuid)[0]
    clones = sorted(call.began for call in told(home, "clonevm"))
    assert clones[1] >= started.began


def test_only_requested_folders_are_shared(home: Home) -> None:
    assert not told(home, "sharedfolder", "add")


def test_nodes_reach_each_other_and_the_host(lab: Lab) -> None:
    for target in (SECOND, "192.168.56.1"):
        lab.run("exec", "--limit", FIRST, "--", f"ping -c 1 -W 10 {target}").expect(0)
    for address in ADDRESSES:
        with socket.create_connection((address, 22), 20) as connection:
            assert connection.recv(4) == b"SSH-"


class TestADay(InstructorsDay):
    """An instructor's day with VirtualBox."""

    provider = "virtualbox"
    lacking: ClassVar[set[str]] = {"virtualization"}  # which QEMU emulates


def test_destroy_left_nothing_of_the_lab(home: Home, registry: Registry) -> None:
    # Vagrant keeps the box's machine that the next lab's disks lie over, and the network.
    (base,) = registry.all()
    assert registry.clones(base) == []
    assert len(Interfaces(home).all()) == 2
    assert not [link for link in Path("/sys/class/net").iterdir() if link.name.endswith("n2")]
    assert not list(home.unfinished.iterdir())
