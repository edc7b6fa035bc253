"""The double of VBoxManage, called as Vagrant calls it; no machine is started."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.vbox import cli, log, media
from tests.vbox import ovf as formats
from tests.vbox.home import Home
from tests.vbox.registry import Registry

Call = Callable[..., str]


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home.of({"VBOX_DOUBLE_HOME": str(tmp_path / "home")})


@pytest.fixture
def call(home: Home, capsys: pytest.CaptureFixture[str]) -> Call:
    def run(*argv: str, code: int = 0) -> str:
        capsys.readouterr()
        assert cli.run(home, argv) == code, capsys.readouterr().err
        out, err = capsys.readouterr()
        assert ("VBoxManage: error:" in err) == bool(code and err)
        return err if code and err else out

    return run


@pytest.fixture
def ovf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A box's appliance. Its disk is a text, and so are the copies of it."""

    def copy(source: Path, target: Path) -> None:
        target.write_text(f"copy of {source.read_text()}")

    def overlay(base: Path, target: Path) -> None:
        target.write_text(f"overlay on {base}")

    def tag(disk: Path, name: str) -> None:
        assert disk.exists()
        assert name

    monkeypatch.setattr(media, "convert", copy)
    monkeypatch.setattr(media, "copy", copy)
    monkeypatch.setattr(media, "overlay", overlay)
    for name in ("snapshot", "revert", "forget"):
        monkeypatch.setattr(media, name, tag)
    (tmp_path / "disk.vmdk").write_text("disk")
    file = tmp_path / "box.ovf"
    file.write_text(formats.text("centos7", "disk.vmdk", 1 << 30))
    return file


@pytest.fixture
def machine(call: Call, ovf: Path) -> str:
    call("import", str(ovf), "--vsys", "0", "--vmname", "one")
    return "one"


@pytest.mark.parametrize(("series", "version"), [("6.1", "6.1.50"), ("7.0", "7.0.20")])
def test_version(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], series: str, version: str
) -> None:
    chosen = {"VBOX_DOUBLE_HOME": str(tmp_path), "VBOX_DOUBLE_VERSION": series}
    assert cli.run(Home.of(chosen), ["--version"]) == 0
    # What Vagrant makes of it: what is before "_", and of that what is before "r".
    assert capsys.readouterr().out.split("_")[0].split("r")[0] == version


@pytest.mark.parametrize(
    ("argv", "code"),
    [
        ([], 2),
        (["fly"], 2),
        (["list", "ostypes"], 64),
        (["list"], 2),
        (["modifyvm", "one", "--teleporter", "on"], 2),
        (["modifyvm", "one", "--nic2", "bridged"], 64),
        (["modifyvm", "one", "--nic9", "nat"], 2),
        (["modifyvm", "one", "--memory", "lots"], 2),
        (["modifyvm", "one", "--memory"], 2),
        (["modifyvm", "one", "--cpus", "65"], 2),
        # Only VirtualBox 7 takes the hyphens.
        (["modifyvm", "one", "--nat-pf1", "ssh,tcp,,2222,,22"], 2),
        (["modifyvm", "one", "--natpf1", "ssh,tcp,,2222,,"], 2),
        (["modifyvm", "one", "--natpf1", "delete", "ssh"], 1),
        (["startvm", "one", "--type", "window"], 2),
        (["controlvm", "one", "teleport"], 1),
        (["snapshot", "one", "edit"], 2),
        (["clonevm", "one", "--name", "two"], 64),
        (["clonevm", "one", "--name", "two", "--register", "--options", "link"], 1),
        (["unregistervm", "one"], 64),
        (["hostonlyif", "rename"], 2),
        (["dhcpserver", "add", "--ifname", "vboxnet0"], 64),
        (["guestproperty", "set", "one", "key", "value"], 64),
        (["sharedfolder", "add", "one", "--name", "x", "--hostpath", "/x", "--transient"], 1),
    ],
)
def test_what_it_does_not_know_fails(
    call: Call, machine: str, home: Home, argv: list[str], code: int
) -> None:
    before = Registry(home).find(machine)
    call(*argv, code=code)
    assert Registry(home).find(machine) == before
    assert log.read(home.log)[-1].exit_code == code


def test_every_verb_is_there() -> None:
    assert all(callable(cli.verb(name)) for name in cli.VERBS)


def test_a_machine_that_is_not_there(call: Call) -> None:
    # Vagrant looks for this code, and asks again for ten seconds if it does not find it.
    assert "VBOX_E_OBJECT_NOT_FOUND" in call("showvminfo", "none", code=1)


def test_an_import_makes_a_machine_of_the_wanted_name(call: Call, machine: str, home: Home) -> None:
    listed = call("list", "vms")
    made = Registry(home).find(machine)
    assert listed == f'"one" {{{made.uuid}}}\n'
    assert Registry(home).disk(made).read_text() == "copy of disk"
    assert call("list", "runningvms") == ""


def test_two_machines_of_one_name_are_refused(call: Call, machine: str, ovf: Path) -> None:
    assert "VERR_ALREADY_EXISTS" in call("import", str(ovf), "--vmname", machine, code=1)
    call("import", str(ovf), "--vmname", "two")
    assert "VERR_ALREADY_EXISTS" in call("modifyvm", "two", "--name", machine, code=1)
    assert "VERR_ALREADY_EXISTS" not in call("modifyvm", "two", "--name", "three")
    assert sorted(line.split()[0] for line in call("list", "vms").splitlines()) == [
        '"one"',
        '"three"',
    ]


def test_nothing_is_changed_by_half(call: Call, machine: str, home: Home) -> None:
    call("modifyvm", machine, "--memory", "2048", "--no-such", "on", code=2)
    assert Registry(home).find(machine).hardware.memory == 512


def test_a_linked_clone_ties_its_base(call: Call, machine: str, home: Home) -> None:
    assert "any snapshots" in call("snapshot", machine, "list", "--machinereadable", code=1)
    call("snapshot", machine, "take", "base")
    call("clonevm", machine, "--register", "--name", "two", "--snapshot", "base",
         "--options", "link")  # fmt: skip
    base, clone = Registry(home).find("one"), Registry(home).find("two")
    assert clone.base == base.uuid
    assert Registry(home).disk(clone).read_text() == f"overlay on {Registry(home).disk(base)}"
    assert clone.hardware.nics[1].mac != base.hardware.nics[1].mac
    # While others' disks lie over it, its own must not change.
    call("startvm", machine, code=64)
    call("snapshot", machine, "restore", "base", code=1)
    assert "1 child media" in call("unregistervm", machine, "--delete", code=1)
    call("unregistervm", "two", "--delete")
    call("unregistervm", machine, "--delete")
    assert call("list", "vms") == ""
    assert not list(home.machines.iterdir())
    assert not list(home.unfinished.iterdir())


def test_snapshots_are_a_tree(call: Call, machine: str) -> None:
    call("modifyvm", machine, "--memory", "700")
    for name in ("a", "b"):
        call("snapshot", machine, "take", name)
    call("modifyvm", machine, "--memory", "800")
    call("snapshot", machine, "restore", "a")
    call("snapshot", machine, "take", "c")
    lines = call("snapshot", machine, "list", "--machinereadable").splitlines()
    assert [line for line in lines if line.startswith("SnapshotName")] == [
        'SnapshotName="a"',
        'SnapshotName-1="b"',
        'SnapshotName-2="c"',
    ]
    assert 'CurrentSnapshotNode="SnapshotName-2"' in lines
    assert "memory=700" in call("showvminfo", machine, "--machinereadable").splitlines()
    call("snapshot", machine, "delete", "a", code=1)
    call("snapshot", machine, "delete", "c")
    call("snapshot", machine, "delete", "a")
    assert 'SnapshotName="b"\n' in call("snapshot", machine, "list", "--machinereadable")


def test_shared_folders_are_remembered(call: Call, machine: str) -> None:
    call("sharedfolder", "add", machine, "--name", "labs", "--hostpath", "/home/me/labs")
    assert 'SharedFolderNameMachineMapping1="labs"' in call(
        "showvminfo", machine, "--machinereadable"
    )
    call("sharedfolder", "remove", machine, "--name", "labs")
    call("sharedfolder", "remove", machine, "--name", "labs", code=1)
    assert "SharedFolder" not in call("showvminfo", machine, "--machinereadable")


def test_extra_data(call: Call, machine: str, home: Home) -> None:
    call("setextradata", machine, "a/b", "1")
    assert Registry(home).find(machine).extra == {"a/b": "1"}
    call("setextradata", machine, "a/b")
    assert Registry(home).find(machine).extra == {}


def _modify(home: Home, number: int) -> None:
    rule = f"port{number},tcp,,{3000 + number},,{number}"
    assert cli.run(home, ["modifyvm", "one", "--natpf1", rule]) == 0


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_processes_side_by_side_lose_nothing(call: Call, machine: str, home: Home) -> None:
    fork = multiprocessing.get_context("fork")
    processes = [fork.Process(target=_modify, args=(home, number)) for number in range(1, 13)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    forwards = Registry(home).find(machine).hardware.nics[1].forwards
    assert sorted(forward.guest_port for forward in forwards) == list(range(1, 13))
    assert len(log.read(home.log)) == 1 + 12


def test_a_failed_import_leaves_nothing(
    call: Call, ovf: Path, home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_source: Path, _target: Path) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(media, "convert", fail)
    with pytest.raises(KeyboardInterrupt):
        call("import", str(ovf))
    assert call("list", "vms") == ""
    assert not list(home.unfinished.iterdir())
    assert log.read(home.log)[0].exit_code == 70


def test_a_disk_grows_as_vagrant_makes_it_grow(
    call: Call, machine: str, home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A VMDK cannot be resized. Its clone is, and a clone of that takes its place."""
    sizes: dict[Path, int] = {}
    monkeypatch.setattr(media, "resize", lambda disk, size: sizes.update({disk: size}))
    monkeypatch.setattr(media, "info", lambda disk: {"virtual-size": 10 << 30})
    before = Registry(home).find(machine)
    disk = Registry(home).disk(before)
    place = ("--storagectl", "SATA Controller", "--port", "0", "--device", "0")
    size = ("--resizebyte", str(12 << 30))
    assert "cannot be resized" in call("modifymedium", str(disk), *size, code=1)
    larger = disk.with_suffix(".vdi")
    call("clonemedium", str(disk), str(larger), "--format", "VDI")
    assert "smaller" in call("modifymedium", str(larger), "--resizebyte", "1", code=1)
    call("modifymedium", str(larger), *size)
    assert sizes == {larger: 12 << 30}

    assert "attached" in call("closemedium", before.disk_uuid, "--delete", code=1)
    call("storageattach", machine, *place, "--medium", "none")
    assert "ImageUUID" not in call("showvminfo", machine, "--machinereadable")
    assert "no disk" in call("startvm", machine, code=1)
    disk.rename(disk.with_suffix(".backup"))  # Vagrant does so
    call("closemedium", before.disk_uuid, "--delete")
    call("clonemedium", str(larger), str(disk), "--format", "VMDK")
    call("storageattach", machine, *place, "--type", "hdd", "--medium", str(disk))
    call("closemedium", str(larger), "--delete")
    assert disk.read_text() == "copy of copy of copy of disk"
    assert not larger.exists()
    after = Registry(home).find(machine)
    assert after.disk_uuid != before.disk_uuid
    assert f'ImageUUID-0-0"="{after.disk_uuid}"' in call("showvminfo", machine, "--machinereadable")


@pytest.mark.parametrize(
    ("argv", "code"),
    [
        (["clonemedium", "{disk}", "{disk}", "--format", "VDI"], 1),
        (["clonemedium", "{disk}", "/none/x.vdi", "--format", "QED"], 1),
        (["clonemedium", "/none/y.vmdk", "/none/x.vdi"], 1),
        (["modifymedium", "{disk}"], 2),
        (["closemedium", "{disk}"], 64),
        (["closemedium", "/none/x.vdi", "--delete"], 1),
        (["storageattach", "one", "--port", "1", "--device", "0", "--medium", "none"], 64),
        (["storageattach", "one", "--port", "0", "--device", "0", "--medium", "/x.vdi"], 64),
    ],
)
def test_what_disks_do_not_do(
    call: Call, machine: str, home: Home, argv: list[str], code: int
) -> None:
    disk = str(Registry(home).disk(Registry(home).find(machine)))
    call(*(word.format(disk=disk) for word in argv), code=code)
    assert Path(disk).read_text() == "copy of disk"
