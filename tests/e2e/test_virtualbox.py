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
from tests.vbox import box, ending, log, media, process
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
    "nested": True,
    "provider_options": {"virtualbox": {"vram": 20, "pae": True}},
    **day.OPTIONS,
}
COURSE = """\
Vagrant.configure("2") do |config|
  config.vm.provider "virtualbox" do |vbox|
    vbox.customize ["modifyvm", :id, "--description", "a course's own"]
  end
end
"""


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
    day.add_other_box(vagrant)
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
    (folder / "course.rb").write_text(COURSE)
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
    run = lab.run("up", "--provider", "virtualbox").expect(2)
    assert "192.168.56.0/21" in run.stdout
    assert not told(home, "import")
    assert not told(home, "hostonlyif")


def test_killed_while_a_machine_boots_and_up_again_gives_a_verified_lab(
    lab: Lab, world: World
) -> None:
    """labctl is gone at once; the Vagrant that it had started works on, and is waited for."""
    lab.write(spec(world, **WISHES))
    up = ("up", "--provider", "virtualbox")
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
    interface, further = Interfaces(home).all()
    settings: dict[str, str] = {}
    machine = registry.find(f"lab-{name}")
    for call in told(home, "modifyvm", machine.uuid):
        settings |= call.pairs()
    wanted = {
        "name": f"lab-{name}",
        "memory": "768",
        "cpus": "1",
        "natdnshostresolver1": "on",
        "nic2": "hostonly",
        "hostonlyadapter2": interface.name,
        "nic3": "hostonly",
        "hostonlyadapter3": further.name,
        "nested-hw-virt": "on",
        "vram": "20",
        "pae": "on",
        "description": "a course's own",
    }
    assert {key: settings.get(key) for key in wanted} == wanted
    forwards = machine.hardware.nics[1].forwards
    assert {one.host_port for one in forwards if one.name != "ssh"} == {8022 + NAMES.index(name)}
    assert {(one.host, one.guest_port) for one in forwards} == {("127.0.0.1", 22)}
    assert told(home, "startvm", machine.uuid, "--type", "gui")


def test_only_the_disk_that_lab_yaml_names_grows(home: Home, registry: Registry) -> None:
    """VirtualBox resizes no VMDK: Vagrant has a clone in another format resized."""
    (resized,) = told(home, "modifymedium")
    assert resized.argv[-1] == str(day.DISK << 30)
    sizes = [media.info(registry.disk(registry.find(f"lab-{name}")))["virtual-size"] >> 30
             for name in NAMES]  # fmt: skip
    assert sizes == [day.DISK, 10]


def test_each_box_is_imported_once_and_its_disk_shared(home: Home, registry: Registry) -> None:
    imports = [call for call in told(home, "import") if "-n" not in call.argv]
    assert [Path(call.argv[1]).parts[-4] for call in imports] == [
        name.replace("/", "-VAGRANTSLASH-") for name in ("centos/7", day.OTHER_BOX)
    ]
    clones = told(home, "clonevm")
    assert len(clones) == len(NAMES)
    assert all(call.argv[-2:] == ["--options", "link"] for call in clones)
    bases = [registry.find(call.argv[call.argv.index("--vmname") + 1]).uuid for call in imports]
    assert [registry.find(f"lab-{name}").base for name in NAMES] == bases


def test_two_host_only_networks_with_the_hosts_ends(home: Home) -> None:
    assert len(told(home, "hostonlyif", "create")) == 2
    names = [interface.name for interface in Interfaces(home).all()]
    configured = [call.argv[2:] for call in told(home, "hostonlyif", "ipconfig")]
    assert configured == [
        [name, "--ip", f"192.168.{third}.1", "--netmask", "255.255.255.0"]
        for name, third in zip(names, (56, 57), strict=True)
    ]


def test_the_second_is_not_begun_before_the_first_is_made(home: Home, registry: Registry) -> None:
    # An import, and the making of a network, race in VirtualBox.
    started = told(home, "startvm", registry.find(f"lab-{FIRST}").uuid)[0]
    clones = sorted(call.began for call in told(home, "clonevm"))
    assert clones[1] >= started.began


def test_only_requested_folders_are_shared(home: Home) -> None:
    assert not told(home, "sharedfolder", "add")


def test_nodes_reach_each_other_and_the_host(lab: Lab) -> None:
    for target in (SECOND, "192.168.56.1", "192.168.57.1"):
        lab.run("exec", "--limit", FIRST, "--", f"ping -c 1 -W 10 {target}").expect(0)
    for address in ADDRESSES:
        with socket.create_connection((address, 22), 20) as connection:
            assert connection.recv(4) == b"SSH-"


class TestADay(InstructorsDay):
    """An instructor's day with VirtualBox."""

    provider = "virtualbox"
    lacking: ClassVar[set[str]] = {"virtualization"}  # which QEMU emulates


def test_destroy_left_nothing_of_the_lab(home: Home, registry: Registry) -> None:
    # Vagrant keeps the boxes' machines that the next lab's disks lie over, and the networks.
    bases = registry.all()
    assert len(bases) == 2
    assert not any(registry.clones(base) for base in bases)
    assert len(Interfaces(home).all()) == 3
    ends = Path("/sys/class/net").iterdir()
    assert not [link for link in ends if link.name.endswith(("n2", "n3"))]
    assert not list(home.unfinished.iterdir())
