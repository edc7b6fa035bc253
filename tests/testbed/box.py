"""The guest as a disk, and as the `centos/7` box in a Vagrant home."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path

from tests.testbed.buildroot import Buildroot
from tests.testbed.names import BOX, BOX_VERSION
from tests.testbed.shell import run

_GIB = 10
_START = 2048 * 512
# Control groups as EL7 has them, interface names as EL7 has them, and nothing that slows a boot.
# Programs lie at the same addresses each time they start: QEMU keeps the code that it translated by
# address, and has it again; making a docker network then takes a third of the time.
# Auditing is not turned off: the kernel would run modprobe for each socket that sudo and sshd open
# to it, which is half a second for every login of an emulated machine.
# What hardens a kernel is off, because an emulated one pays for it with each page and each call.
KERNEL_ARGUMENTS = (
    "net.ifnames=0 apparmor=0 systemd.unified_cgroup_hierarchy=0 "
    "console=ttyS0 quiet systemd.show_status=false mitigations=off nowatchdog norandmaps nokaslr "
    "init_on_alloc=0 hardened_usercopy=off randomize_kstack_offset=off "
    "cryptomgr.notests"
)
_EXTLINUX = f"""\
DEFAULT linux
TIMEOUT 1
PROMPT 0
LABEL linux
  KERNEL /boot/vmlinuz
  APPEND {KERNEL_ARGUMENTS}
  INITRD /boot/initramfs.img
"""
# Emulation always works, whatever the host's processor; a test's disks need not survive a power
# cut; and naming the guest spares Vagrant two dozen questions to find out what it is.
_VAGRANTFILE = """\
Vagrant.configure("2") do |config|
  config.vm.guest = :centos
  config.vm.provider :libvirt do |libvirt|
    libvirt.driver = "qemu"
    libvirt.disk_driver cache: "unsafe"
  end
end
"""


def build(target: Path, finished: Mapping[str, Path]) -> None:
    """A Vagrant home's box folder: `target`/{box.img,metadata.json,Vagrantfile}."""
    raw = target / "disk.raw"
    _disk(Buildroot.of(finished), finished["guest"] / "root", raw)
    run("qemu-img", "convert", "-O", "qcow2", "-c", "-o", "compression_type=zstd", raw,
        target / "box.img")  # fmt: skip
    raw.unlink()
    metadata = {"provider": "libvirt", "format": "qcow2", "virtual_size": _GIB}
    (target / "metadata.json").write_text(json.dumps(metadata) + "\n")
    (target / "Vagrantfile").write_text(_VAGRANTFILE)


def _disk(buildroot: Buildroot, root: Path, raw: Path) -> None:
    """A bootable disk with one partition that holds `root`."""
    with raw.open("wb") as file:
        file.truncate(_GIB << 30)
    buildroot.run("sfdisk", "-q", raw, stdin="label: dos\nstart=2048, type=83, bootable\n")
    buildroot.run("mkfs.ext4", "-q", "-F", "-L", "root", "-O", "^64bit,^metadata_csum",
        "-E", f"offset={_START},lazy_itable_init=1", "-d", root, raw,
        f"{(_GIB << 20) - _START // 1024}k")  # fmt: skip
    with raw.open("r+b") as file:
        file.write(buildroot.file("usr/lib/syslinux/mbr/mbr.bin").read_bytes()[:440])
    # The boot loader wants the file system mounted.
    script = (
        'mount -o "loop,offset=$2" "$1" /mnt && mkdir -p /mnt/boot/extlinux && '
        'printf "%s" "$3" >/mnt/boot/extlinux/extlinux.conf && '
        "extlinux --install /mnt/boot/extlinux && umount /mnt"
    )
    buildroot.run("sh", "-c", script, "sh", raw, str(_START), _EXTLINUX)


def vagrant_home(box: Path, home: Path) -> None:
    """Make `home` a VAGRANT_HOME that has the box, as if it had been added from a catalogue.

    Vagrant looks there for newer versions of a box, so the catalogue is a file beside it.
    """
    boxes = home / "boxes" / BOX.replace("/", "-VAGRANTSLASH-")
    folder = boxes / BOX_VERSION / "libvirt"
    folder.mkdir(parents=True)
    (home / "setup_version").write_text("1.5")
    for file in box.iterdir():
        try:
            os.link(file, folder / file.name)
        except OSError:  # another file system
            shutil.copy(file, folder / file.name)
    catalogue = home / "catalogue.json"
    provider = {"name": "libvirt", "url": f"file://{home}/none.box"}
    versions = [{"version": BOX_VERSION, "providers": [provider]}]
    catalogue.write_text(json.dumps({"name": BOX, "versions": versions}))
    (boxes / "metadata_url").write_text(f"file://{catalogue}")
