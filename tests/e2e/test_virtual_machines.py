"""The main line on virtual machines: real Vagrant, vagrant-libvirt, QEMU.

One lab of two machines is brought up once; the tests of this file build on one another. The whole
course's engine comes first, and then the day with no more playbooks than it needs.
"""

from __future__ import annotations

import os
import subprocess
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from tests.e2e import day
from tests.e2e.conftest import Lab, spec
from tests.e2e.day import FIRST, NAMES, SECOND, Cut, InstructorsDay
from tests.testbed import World

LIBVIRT = "qemu:///system"  # that of the world
COURSE = """\
Vagrant.configure("2") do |config|
  config.vm.provider("libvirt") { |libvirt| libvirt.random model: "random" }
end
"""


@pytest.fixture(scope="module")
def lab(world: World, tmp_path_factory: pytest.TempPathFactory) -> Lab:
    folder = tmp_path_factory.mktemp("vagrant") / "lab"
    folder.mkdir()
    lab = Lab(folder)
    day.fill(lab)
    (folder / "course.rb").write_text(COURSE)
    day.add_other_box(Path(os.environ["VAGRANT_HOME"]))
    more = {"provider": "libvirt", "memory": 1024, "boot_timeout": 900}
    settings = {"libvirt": {"memballoon_enabled": False}}
    lab.write(
        spec(
            world,
            synced_folders=[day.FOLDER],
            provider_options=settings,
            **day.OPTIONS,
            **more,
        )
    )
    return lab


@pytest.fixture
def cut() -> Cut:
    def cut(node: str) -> None:
        subprocess.check_call(["virsh", "--connect", LIBVIRT, "destroy", f"lab-{node}"])

    return cut


def virsh(*arguments: str) -> str:
    return subprocess.check_output(["virsh", "--connect", LIBVIRT, *arguments], text=True)


def test_nested_machines_need_what_this_computer_lacks(lab: Lab) -> None:
    before = day.change(lab, nested=True)
    assert "no hardware virtualization" in lab.run("up").expect(2).stdout
    assert virsh("list", "--all", "--name").split() == []
    lab.write(before)


def test_up_gives_a_verified_lab(lab: Lab) -> None:
    run = lab.run("up").expect(0)
    for name in NAMES:
        result = run.result(name)
        assert result["versions"]["engine"].startswith("20.10.24")
        assert result["versions"]["compose"] == "1.29.2"
        assert {check["outcome"] for check in result["checks"]} == {"passed"}
    # The second machine waits until the first is made, which Vagrant says a lot about.
    phases = [(e["node"], e["phase"]) for e in run.of("PhaseEntered")]
    assert (SECOND, "waiting") in phases
    begun = next(
        index
        for index, event in enumerate(run.events)
        if (event["event"], event.get("node"), event.get("phase"))
        == ("PhaseEntered", SECOND, "booting")
    )
    said = [e["line"] for e in run.events[:begun] if e["event"] == "MachineOutput"]
    assert any("Creating" in line for line in said)


def test_libvirt_gets_the_values_of_lab_yaml() -> None:
    for number, name in enumerate(NAMES):
        domain = ET.fromstring(virsh("dumpxml", f"lab-{name}"))
        networks = [source.get("network") for source in domain.iterfind(".//interface/source")]
        assert networks[1:] == ["lab-192-168-56-0-24", "lab-192-168-57-0-24"]
        for element, attribute, value in (
            ("graphics", "type", "vnc"),
            ("graphics", "listen", "127.0.0.1"),
            ("memballoon", "model", "none"),  # provider_options
            ("rng/backend", "model", "random"),  # course.rb
        ):
            found = domain.find(f"./devices/{element}")
            assert found is not None, element
            assert found.get(attribute) == value
        (disk,) = domain.iterfind("./devices/disk[@device='disk']/source")
        information = virsh("vol-info", "--bytes", disk.get("file", ""))
        (capacity,) = [line.split()[1] for line in information.splitlines() if "Capacity" in line]
        assert int(capacity) >> 30 == (day.DISK, 10)[number]
        base = ET.fromstring(virsh("vol-dumpxml", disk.get("file", ""))).findtext(
            "./backingStore/path"
        )
        assert base is not None
        box = ("centos/7", day.OTHER_BOX)[number]
        assert Path(base).name.startswith(box.replace("/", "-VAGRANTSLASH-"))


def test_state_is_private(lab: Lab) -> None:
    state = lab.folder / ".labctl"
    assert state.stat().st_mode & 0o777 == 0o700


def test_provision_again_takes_one_exchange(lab: Lab) -> None:
    run = lab.run("provision").expect(0)
    for name in NAMES:
        assert run.changes(name) == []
        assert run.exchanges(name) == 1


def test_up_again_leaves_the_machines_alone(lab: Lab) -> None:
    run = lab.run("up", "--no-verify").expect(0)
    assert not run.of("MachineOutput")
    assert run.changes(FIRST) == run.changes(SECOND) == []


def test_a_drift_is_undone(lab: Lab) -> None:
    lab.run(
        "exec", "--limit", SECOND, "--sudo", "--", "systemctl stop docker.socket docker"
    ).expect(0)
    run = lab.run("provision").expect(0)
    assert (run.changes(FIRST), run.changes(SECOND)) == ([], ["service:docker"])


def test_nodes_reach_each_other_by_name(lab: Lab) -> None:
    lab.run("exec", "--limit", FIRST, "--", f"ping -c 1 -W 5 {SECOND}").expect(0)


def test_status_tells_the_engine(lab: Lab) -> None:
    rows = lab.run("status").expect(0).of("status")
    assert len(rows) == 2
    assert all(row["engine"].startswith("20.10.24") for row in rows)


@pytest.fixture(scope="class")
def few_playbooks(lab: Lab) -> None:
    """The day is about machines. Their engines would idle, and start with each boot, emulated."""
    lab.run(
        "exec", "--sudo", "--", "systemctl disable --now docker.socket docker containerd"
    ).expect(0)
    day.change(lab, playbooks=day.PLAYBOOKS)


@pytest.mark.usefixtures("few_playbooks")
class TestADay(InstructorsDay):
    """An instructor's day with libvirt."""

    provider = "libvirt"
