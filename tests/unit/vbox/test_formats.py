"""Input and output of the VBoxManage double, in the forms that Vagrant's drivers parse.

The patterns are the ones that Vagrant's drivers read VBoxManage with, written for Python.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.vbox import lists, making, modify, ovf, process, rules, state
from tests.vbox.double import Double
from tests.vbox.errors import Refused
from tests.vbox.home import Home, write
from tests.vbox.log import Call
from tests.vbox.machine import Forward, Hardware, Machine, Nic, Shared
from tests.vbox.showvminfo import machinereadable

_INTERFACES = """[{"name": "vboxnet0", "guid": "g", "address": "192.168.56.1",
"netmask": "255.255.255.0"}]"""


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def double(tmp_path: Path, said: list[str]) -> Double:
    chosen = {"VBOX_DOUBLE_HOME": str(tmp_path / "home"), "VBOX_DOUBLE_VERSION": "7.0"}
    return Double(Home.of(chosen), said.append)


@pytest.fixture
def machine(double: Double) -> Machine:
    nics = {
        1: Nic("nat", mac="525400C0FFEE"),
        2: Nic("hostonly", mac="080027000002", adapter="vboxnet0"),
    }
    nics[1].forwards = [
        Forward("ssh", "tcp", "127.0.0.1", 2222, "", 22),
        Forward("web", "tcp", "", 8080, "10.0.2.15", 80),
    ]
    made = Machine("0f5a33c0-0000-4000-8000-00000000cafe", "lab-node1", Hardware(1024, 2, nics))
    made.shared = [Shared("labs", "/labs"), Shared("now", "/now", transient=True)]
    double.registry.add(made, double.registry.draft(made))
    return made


def _lines(machine: Machine, state: str = "running") -> list[str]:
    return list(machinereadable(machine, Path("/vms/x"), state))


def test_a_record_survives_its_file(double: Double, machine: Machine) -> None:
    assert double.registry.find(machine.uuid) == machine
    assert double.registry.find(f"{{{machine.uuid}}}") == machine
    assert double.registry.find("lab-node1") == machine


def test_state(machine: Machine) -> None:
    found = [re.match(r'^VMState="(.+?)"$', line) for line in _lines(machine, "saved")]
    assert [match[1] for match in found if match] == ["saved"]


def test_forwarded_ports(machine: Machine) -> None:
    current, found = 0, []
    for line in _lines(machine):
        if match := re.match(r'^nic(\d+)=".+?"$', line):
            current = int(match[1])
        if match := re.match(r'^Forwarding.+?="(.+?),.+?,(.*?),(.+?),.*?,(.+?)"$', line):
            found.append((current, match[1], match[2], int(match[3]), int(match[4])))
    assert found == [(1, "ssh", "127.0.0.1", 2222, 22), (1, "web", "", 8080, 80)]


def test_adapters(machine: Machine) -> None:
    nics: dict[int, str] = {}
    macs: dict[int, str] = {}
    adapters: dict[int, str] = {}
    for line in _lines(machine):
        for key, into in (("nic", nics), ("macaddress", macs), ("hostonlyadapter", adapters)):
            if match := re.match(rf'^{key}(\d+)="(.+?)"$', line):
                into[int(match[1])] = match[2]
    assert nics == {1: "nat", 2: "hostonly", **dict.fromkeys(range(3, 9), "none")}
    assert macs == {1: "525400C0FFEE", 2: "080027000002"}
    assert adapters == {2: "vboxnet0"}


def test_shared_folders(machine: Machine) -> None:
    # Vagrant removes those that it finds, without --transient: the others must look different.
    found = [re.match(r'^SharedFolderNameMachineMapping\d+="(.+?)"$', x) for x in _lines(machine)]
    assert [match[1] for match in found if match] == ["labs"]


def test_storage(machine: Machine) -> None:
    info = {}
    for line in _lines(machine):
        key, _, value = line.partition("=")
        info[key.replace('"', "")] = value.replace('"', "")
    name = info["storagecontrollername0"]
    assert info[f"{name}-ImageUUID-0-0"] == machine.disk_uuid


def test_machine_folder(double: Double, said: list[str]) -> None:
    lists.list_(double, ["systemproperties"])
    match = re.search(r"Default machine folder:\s+(?P<folder>.+?)$", "\n".join(said), re.M)
    assert match
    assert Path(match["folder"]) == double.home.machines


def test_host_only_interfaces(double: Double, said: list[str]) -> None:
    write(double.home.interfaces, _INTERFACES)
    lists.list_(double, ["hostonlyifs"])
    info = {}
    for line in "\n".join(said).split("\n\n")[0].split("\n"):
        if match := re.match(r"^(\w+):\s+(.+?)$", line):
            info[match[1]] = match[2]
    assert (info["Name"], info["IPAddress"], info["NetworkMask"], info["Status"]) == (
        "vboxnet0", "192.168.56.1", "255.255.255.0", "Up",
    )  # fmt: skip
    # Empty, and there: Vagrant takes an interface without it for one with an IPv6 address.
    assert info["IPV6Address"].strip() == ""


@pytest.fixture
def appliance(tmp_path: Path) -> Path:
    (tmp_path / "disk.vmdk").write_text("disk")
    file = tmp_path / "box.ovf"
    file.write_text(ovf.text("centos7", "disk.vmdk", 1 << 30))
    return file


def test_dry_run_of_an_import(double: Double, said: list[str], appliance: Path) -> None:
    making.import_(double, ["-n", str(appliance)])
    output = "\n".join(said)
    name = re.search(r'Suggested VM name "(.+?)"', output)
    settings = re.search(r'Suggested VM settings file name "(?P<settings_path>.+?)"', output)
    disks = re.findall(r"(\d+): Hard disk image: source image=.+, target path=(.+),", output)
    assert name
    assert settings
    assert name[1] == "centos7"
    assert Path(settings["settings_path"]).is_relative_to(double.home.machines)
    assert [(unit, Path(path.split(",")[0]).name) for unit, path in disks] == [("9", "disk.vmdk")]
    assert double.registry.all() == []


def test_ovf(appliance: Path) -> None:
    found = ovf.read(appliance)
    assert (found.name, found.disk.name, found.cpus, found.memory) == (
        "centos7", "disk.vmdk", 1, 512,
    )  # fmt: skip


@pytest.mark.parametrize("spoilt", ["<Envelope", "<Envelope/>", "no disk file"])
def test_ovf_that_is_none(appliance: Path, spoilt: str) -> None:
    if spoilt == "no disk file":
        (appliance.parent / "disk.vmdk").unlink()
    else:
        appliance.write_text(spoilt)
    with pytest.raises(Refused):
        ovf.read(appliance)


@pytest.mark.parametrize("address", ["192.168.56.1", "192.168.63.254", "fe80::1"])
def test_addresses_that_are_allowed(tmp_path: Path, address: str) -> None:
    rules.require_allowed(address, tmp_path / "none")


@pytest.mark.parametrize("address", ["192.168.205.1", "192.168.64.1", "10.0.0.1", "fd00::1"])
def test_addresses_that_are_not(tmp_path: Path, address: str) -> None:
    with pytest.raises(Refused, match="E_ACCESSDENIED"):
        rules.require_allowed(address, tmp_path / "none")


def test_networks_conf_replaces_the_rule(tmp_path: Path) -> None:
    conf = tmp_path / "networks.conf"
    conf.write_text("# 172.16.0.0/12\n* 10.0.0.0/8 192.168.205.0/24\n  * 2001::/64\n")
    for address in ("10.1.2.1", "192.168.205.1", "2001::1"):
        rules.require_allowed(address, conf)
    for address in ("192.168.56.1", "172.16.0.1"):
        with pytest.raises(Refused):
            rules.require_allowed(address, conf)


def test_the_spelling_of_virtualbox_7(double: Double, machine: Machine) -> None:
    dns = ("--nat-dns-host-resolver1", "on")
    mac = ("--mac-address1", "auto")
    modify.modifyvm(double, [machine.uuid, "--nat-pf1", "delete", "web", *dns, *mac])
    nic = double.registry.find(machine.uuid).hardware.nics[1]
    assert [forward.name for forward in nic.forwards] == ["ssh"]
    assert nic.settings == {"natdnshostresolver": "on"}
    assert re.fullmatch("080027[0-9A-F]{6}", nic.mac)


def test_process(machine: Machine) -> None:
    line = process.command(machine, Path("/vms/a,b"), "tag")
    text = " ".join(line)
    assert "file=/vms/a,,b/disk.vmdk," in text
    assert "-smp 2 -m 1024" in text
    assert (
        "user,id=nic1,net=10.0.2.0/24,hostfwd=tcp:127.0.0.1:2222-:22,"
        "hostfwd=tcp::8080-10.0.2.15:80 "
    ) in text
    assert f"tap,id=nic2,ifname={process.tap_name(machine, 2)}," in text
    assert len(process.tap_name(machine, 2)) <= 15
    assert "mac=52:54:00:C0:FF:EE" in text
    assert line[-2:] == ["-loadvm", "tag"]
    assert "-loadvm" not in process.command(machine, Path("/vms/x"))


def test_the_state_of_what_does_not_run(machine: Machine, tmp_path: Path) -> None:
    assert state.state(machine, tmp_path) == "poweroff"
    # QEMU takes the file away when it ends in order; and the number may be another's by now.
    (tmp_path / "pid").write_text("1\n")
    assert state.state(machine, tmp_path) == "aborted"
    machine.saved = "tag"
    assert state.state(machine, tmp_path) == "saved"


def test_pairs_of_a_call() -> None:
    argv = ["modifyvm", "x", "--memory", "768", "--natpf1", "delete", "ssh", "--cpus", "1"]
    assert Call(argv, 0, 0.0, 0.0, "").pairs() == {"memory": "768", "natpf1": "delete", "cpus": "1"}


@pytest.mark.parametrize("environment", [{}, {"VBOX_DOUBLE_HOME": "x", "VBOX_DOUBLE_VERSION": "5"}])
def test_home_has_to_be_chosen(environment: dict[str, str]) -> None:
    with pytest.raises(Refused):
        Home.of(environment)
