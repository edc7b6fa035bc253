"""A throw-away copy of a machine of libvirt, with a virsh that answers from a list."""

from __future__ import annotations

import json
import re
import xml.etree.ElementTree as ET
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from labctl.errors import MachineError, UsageError
from labctl.machines import libvirt_clone as module
from labctl.machines.clone import Machine
from labctl.machines.libvirt_clone import LibvirtClone
from labctl.parallel import Stop
from labctl.remote.target import Target

DOMAIN = """\
<domain type='kvm'>
  <name>lab-node1</name>
  <uuid>7d8e2156-d481-456b-8a7e-2aba72b2ed79</uuid>
  <metadata/>
  <os><type>hvm</type><nvram>/var/lib/libvirt/nvram/lab-node1</nvram></os>
  <devices>
    <disk type='file' device='disk'>
      <driver name='qemu' type='qcow2' io='native'/>
      <source file='/images/lab-node1.img'/>
      <backingStore type='file'><source file='/images/base.img'/></backingStore>
      <target dev='vda' bus='virtio'/>
    </disk>
    <disk type='file' device='cdrom'><source file='/tmp/seed.iso'/></disk>
    <interface type='network'>
      <mac address='52:54:00:7c:a6:34'/><source network='vagrant-libvirt'/><target dev='vnet0'/>
      <model type='virtio'/>
    </interface>
    <interface type='network'><source network='lab-192-168-56-0-24'/></interface>
    <interface type='direct'><source dev='eth0'/></interface>
    <filesystem type='mount'><source dir='/home/me'/></filesystem>
    <hostdev/><graphics type='vnc'/>
    <channel type='unix'><source mode='bind' path='/run/x'/><target name='agent'/></channel>
  </devices>
  <seclabel type='dynamic'/>
</domain>
"""
VOLUME = "<volume><capacity>100</capacity><allocation>40</allocation></volume>"


class Virsh:
    """Notes the commands, and answers each by its first words."""

    def __init__(self) -> None:
        self.calls: list[list[str]] = []
        self.answers: dict[str, Any] = {
            "dumpxml": DOMAIN,
            "vol-pool": "default\n",
            "vol-name": "lab-node1.img\n",
            "vol-dumpxml": VOLUME,
            "pool-info": "Name: default\nCapacity:   900\nAvailable:  500\n",
            "pool-list": "default\nother\n",
            "list": "lab-node1\n",
        }

    def __call__(
        self, arguments: Any, stop: Stop, watch: Callable[[], object] = lambda: None, **_: Any
    ) -> str:
        words = [str(word) for word in arguments]
        verb = words[4] if words[0] == "virsh" else words[0]
        self.calls.append(words[4:] if words[0] == "virsh" else words)
        watch()
        answer = self.answers.get(verb, "")
        if callable(answer):
            answer = answer(words)
        if isinstance(answer, Exception):
            raise answer
        return str(answer)

    def of(self, verb: str) -> list[list[str]]:
        return [call for call in self.calls if call[0] == verb]


@pytest.fixture
def virsh(monkeypatch: pytest.MonkeyPatch) -> Virsh:
    virsh = Virsh()
    monkeypatch.setattr(module, "run", virsh)
    monkeypatch.setattr(module, "_POLL", 0.0)
    monkeypatch.setattr("shutil.which", lambda name: f"/usr/bin/{name}")
    return virsh


@pytest.fixture
def clone(tmp_path: Path) -> LibvirtClone:
    (tmp_path / "copies" / "node1").mkdir(parents=True)
    target = Target("node1", "192.168.121.9", user="vagrant", proxy="ssh -W")
    return LibvirtClone(Machine("node1", "7d8e", tmp_path, "libvirt", target, 5.0), Stop())


def ignore(done: int, size: int) -> None:
    assert 0 <= done <= size


def test_the_copy_has_the_same_hardware_and_no_way_to_the_lab(tmp_path: Path) -> None:
    copy = module._copy_of(ET.fromstring(DOMAIN), "labctl-copy-7d8e", "/images/copy.img")
    text = ET.tostring(copy, "unicode")
    for gone in ("uuid", "lab-node1", "lab-192", "eth0", "/home/me", "seed.iso", "vnc", "52:54",
                 "seclabel", "base.img", "nvram", "vnet0", "hostdev", "/run/x"):  # fmt: skip
        assert gone not in text, gone
    (disk,) = copy.findall("devices/disk")
    source, driver = disk.find("source"), disk.find("driver")
    assert source is not None
    assert driver is not None
    assert source.attrib == {"file": "/images/copy.img"}
    # What the seal fills with zeros must not take space.
    assert driver.attrib == {
        **{"name": "qemu", "type": "qcow2", "cache": "unsafe"},
        **{"discard": "unmap", "detect_zeroes": "unmap"},
    }
    (card,) = copy.findall("devices/interface")
    assert [part.tag for part in card] == ["source", "model"]
    assert copy.findtext("os/type") == "hvm"


def test_the_daemon_copies_the_disk_without_its_box(virsh: Virsh, clone: LibvirtClone) -> None:
    wanted: list[str] = []

    def create(words: list[str]) -> str:
        wanted.append(Path(words[words.index("default") + 1]).read_text())
        return ""

    virsh.answers["vol-create-from"] = create
    clone.create(ignore)
    assert "backingStore" not in wanted[0]
    assert "<capacity>100</capacity>" in wanted[0]
    assert "labctl-copy-7d8e.img" in wanted[0]
    assert list(clone.machine.copies.iterdir()) == []


def test_too_small_a_pool_and_missing_programs_are_said(
    virsh: Virsh, clone: LibvirtClone, monkeypatch: pytest.MonkeyPatch
) -> None:
    clone.check(500)
    with pytest.raises(UsageError, match="storage pool default"):
        clone.check(501)
    virsh.answers["pool-info"] = "Name: default\n"  # a pool that does not tell
    clone.check(501)
    for program in ("virsh", "qemu-img"):
        monkeypatch.setattr(
            "shutil.which", lambda name, gone=program: None if name == gone else name
        )
        with pytest.raises(UsageError, match=f"{program} is missing"):
            clone.check(1)


def test_a_second_disk_would_be_lost(virsh: Virsh, clone: LibvirtClone) -> None:
    more = "<disk type='file' device='disk'><source file='/images/data.img'/></disk></devices>"
    virsh.answers["dumpxml"] = DOMAIN.replace("</devices>", more)
    with pytest.raises(UsageError, match="2 disks") as caught:
        clone.check(1)
    assert caught.value.node == "node1"


def test_another_libvirt_is_named(virsh: Virsh, clone: LibvirtClone) -> None:
    virsh.answers["dumpxml"] = MachineError("failed to get domain")
    with pytest.raises(MachineError) as caught:
        clone.check(1)
    assert "LIBVIRT_DEFAULT_URI" in caught.value.hint


def test_remove_waits_for_a_disk_that_is_still_written(virsh: Virsh, clone: LibvirtClone) -> None:
    left = ["labctl-copy-7d8e.img"]
    tries = iter([MachineError("still being allocated"), "gone"])

    def volumes(words: list[str]) -> str:
        mine = left if words[-1] == "default" else []
        return "".join(f"{name}  /images/{name}\n" for name in ["lab-node1.img", *mine])

    def delete(words: list[str]) -> Any:
        found = next(tries)
        if found == "gone":
            left.clear()
        return found

    virsh.answers |= {"vol-list": volumes, "vol-delete": delete, "list": "labctl-copy-7d8e\n"}
    clone.stop.request()  # after Ctrl-C, too
    clone.remove()
    assert virsh.of("destroy") == [["destroy", "labctl-copy-7d8e"]]
    assert (
        virsh.of("vol-delete") == [["vol-delete", "--pool", "default", "labctl-copy-7d8e.img"]] * 2
    )
    clone.remove()
    assert len(virsh.of("vol-delete")) == 2


@pytest.mark.parametrize("origin", [True, False])
def test_the_box_has_what_vagrant_libvirt_reads(
    virsh: Virsh,
    clone: LibvirtClone,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    origin: bool,
) -> None:
    monkeypatch.setenv("VAGRANT_HOME", str(tmp_path / "home"))
    if origin:
        made_of = tmp_path / "home" / "boxes" / "centos" / "1" / "libvirt"
        (made_of / "include").mkdir(parents=True)
        (made_of / "Vagrantfile").write_text("# guest\n")
        (made_of / "include" / "_Vagrantfile").write_text("# more\n")
        clone.machine.folder.mkdir(parents=True)
        relative = made_of.relative_to(tmp_path / "home").as_posix()
        (clone.machine.folder / "box_meta").write_text(json.dumps({"directory": relative}))
    converted: list[list[str]] = []

    def image(words: list[str]) -> Any:
        if words[1] == "info":
            return json.dumps({"virtual-size": (10 << 30) + 1})
        converted.append(words)
        if any("zstd" in word for word in words):
            return MachineError("unknown compression")  # QEMU before 5.1
        Path(words[-1]).write_bytes(b"disk")
        return ""

    virsh.answers["qemu-img"] = image
    disk, folder = tmp_path / "disk", tmp_path / "box"
    disk.write_bytes(b"x" * 10000)
    folder.mkdir()
    clone.pack(disk, folder, ignore)
    assert len(converted) == 2
    assert json.loads((folder / "metadata.json").read_text()) == {
        **{"provider": "libvirt", "format": "qcow2", "virtual_size": 11}
    }
    text = (folder / "Vagrantfile").read_text()
    assert text == "# guest\n" if origin else re.match(r"Vagrant\.configure", text)
    assert (folder / "include" / "_Vagrantfile").is_file() == origin


@pytest.mark.parametrize("seconds", [60.0, -1.0])
def test_a_copy_that_does_not_power_off_is_ended(
    virsh: Virsh, clone: LibvirtClone, monkeypatch: pytest.MonkeyPatch, seconds: float
) -> None:
    monkeypatch.setattr(module, "OFF_SECONDS", seconds)
    answers = iter(["labctl-copy-7d8e\nlab-node1\n", "lab-node1\n"])
    virsh.answers["list"] = lambda words: next(answers)
    clone.wait_off()
    assert len(virsh.of("destroy")) == (seconds < 0)
