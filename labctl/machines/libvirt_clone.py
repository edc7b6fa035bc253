"""A throw-away copy of a machine of libvirt.

libvirt's daemon copies the disk, so this works for users who may not read its files, and for a
daemon on another computer. The copy's machine belongs to a virsh that ends with labctl, even when
labctl is killed, and libvirt then ends the machine.
"""

from __future__ import annotations

import json
import math
import os
import re
import shutil
import subprocess
import time
import xml.etree.ElementTree as ET  # libvirt's own output
from dataclasses import replace
from pathlib import Path

from labctl.errors import Interrupted, MachineError, UsageError
from labctl.machines.box import Progress
from labctl.machines.clone import OFF_SECONDS, Clone, Machine, program
from labctl.machines.programs import run
from labctl.messages import msg
from labctl.parallel import Stop
from labctl.remote.target import Target

_POLL = 1.0
_BUSY = 120.0
"""Seconds for which libvirt may still write a volume that a killed labctl asked for."""

_GIB = 1 << 30

_LEFT_OUT = (
    *("uuid", "title", "description", "metadata", "seclabel", "os/nvram"),
    *("devices/filesystem", "devices/hostdev", "devices/graphics"),
)
"""Parts of a machine that the copy does not have, because they are the machine's or reach out."""


class LibvirtClone(Clone):
    """A throw-away copy of a machine of libvirt."""

    def __init__(self, machine: Machine, stop: Stop) -> None:
        super().__init__(machine, stop)
        self._uri = os.environ.get("LIBVIRT_DEFAULT_URI") or "qemu:///system"
        self._keeper: subprocess.Popen[bytes] | None = None
        self._xml = ""

    @property
    def _volume(self) -> str:
        return f"{self.machine.copy_name}.img"

    def check(self, size: int) -> None:
        program("virsh", shutil.which, msg("install libvirt's client programs (libvirt-clients)"))
        program("qemu-img", shutil.which, msg("install qemu-img (qemu-utils)"))
        self._read()
        pool, _ = self._place()
        found = dict(
            re.findall(r"^(\w+):\s+(\d+)", self._virsh("pool-info", "--bytes", pool), re.M)
        )
        if int(found.get("Available", size)) < size:
            raise UsageError(
                msg(
                    "the storage pool {pool} has {free} MB free, and a copy of this node needs "
                    "{size} MB there",
                    pool=pool,
                    free=int(found["Available"]) // 1_000_000,
                    size=math.ceil(size / 1_000_000),
                ),
                hint=msg("free disk space, or remove images and files from the node"),
            )

    def create(self, progress: Progress) -> None:
        pool, volume = self._place()
        made = ET.fromstring(self._virsh("vol-dumpxml", "--pool", pool, volume))
        capacity = int(made.findtext("capacity") or 0)
        size = int(made.findtext("physical") or made.findtext("allocation") or 0)
        wanted = ET.Element("volume")
        ET.SubElement(wanted, "name").text = self._volume
        ET.SubElement(wanted, "capacity").text = str(capacity)
        target = ET.SubElement(wanted, "target")
        ET.SubElement(target, "format", type="qcow2")
        ET.SubElement(target, "compat").text = "1.1"  # libvirt's default is that of 2010
        file = self._write("volume.xml", wanted)

        def watch() -> None:
            progress(min(self._allocated(pool), size), size)

        # Without a backing store, libvirt calls `qemu-img convert`, and the copy needs no box.
        arguments = ("vol-create-from", pool, file, volume, "--inputpool", pool)
        self._virsh(*arguments, watch=watch)
        file.unlink()

    def start(self) -> Target:
        pool, _ = self._place()
        path = self._virsh("vol-path", "--pool", pool, self._volume).strip()
        file = self._write("domain.xml", _copy_of(self._read(), self.machine.copy_name, path))
        log = self.machine.copies / "virsh.log"
        with log.open("wb") as out:
            self._keeper = subprocess.Popen(
                ["virsh", "--connect", self._uri], stdin=subprocess.PIPE, stdout=out, stderr=out
            )
        assert self._keeper.stdin is not None
        self.stop.add(self._keeper.kill)
        self._keeper.stdin.write(f"create '{file}' --autodestroy\n".encode())
        self._keeper.stdin.flush()
        address = self._address(log)
        return replace(self.machine.target, host=address, port=22, jump="", proxy="")

    def _address(self, log: Path) -> str:
        """Return the address that the copy gets in its only network."""
        began = time.monotonic()
        while time.monotonic() - began < self.machine.boot_timeout:
            self._pause()
            said = log.read_text("utf-8", "replace")
            if "error:" in said or (self._keeper and self._keeper.poll() is not None):
                raise MachineError(msg("the copy does not start"), details=said.strip()[-2000:])
            try:
                leases = self._virsh("domifaddr", self.machine.copy_name, "--source", "lease")
            except MachineError:  # virsh has not created it yet
                continue
            if found := re.search(r"\sipv4\s+([\d.]+)/", leases):
                return found[1]
        raise MachineError(
            msg(
                "the copy got no address within {seconds} s", seconds=int(self.machine.boot_timeout)
            ),
            hint="raise boot_timeout in lab.yaml",
        )

    def wait_off(self) -> None:
        began = time.monotonic()
        # A machine that virsh created is gone once it is off.
        while (name := self.machine.copy_name) in self._virsh("list", "--name").split():
            if time.monotonic() - began > OFF_SECONDS:
                self._virsh("destroy", name)
                break
            self._pause()
        self._end_keeper()

    def disk(self, folder: Path, progress: Progress) -> Path:
        pool, _ = self._place()
        file = folder / "disk.qcow2"
        size = self._allocated(pool)

        def watch() -> None:
            if file.exists():
                progress(min(file.stat().st_size, size), size)

        self._virsh("vol-download", "--pool", pool, self._volume, file, "--sparse", watch=watch)
        return file

    def pack(self, disk: Path, folder: Path, progress: Progress) -> None:
        image, size = folder / "box.img", disk.stat().st_blocks * 512

        def watch() -> None:
            if image.exists():
                progress(min(image.stat().st_size, size), size)

        def convert(*options: str) -> None:
            words = ("qemu-img", "convert", "-f", "qcow2", "-O", "qcow2", "-c", *options)
            run((*words, disk, image), self.stop, watch)

        try:
            convert("-o", "compression_type=zstd")
        except MachineError:  # QEMU before 5.1
            convert()
        about = json.loads(run(("qemu-img", "info", "--output=json", image), self.stop))
        metadata = {
            "provider": "libvirt",
            "format": "qcow2",
            "virtual_size": math.ceil(about["virtual-size"] / _GIB),
        }
        (folder / "metadata.json").write_text(json.dumps(metadata) + "\n", "utf-8")
        origin = self.machine.box_folder
        if origin is not None and (origin / "Vagrantfile").is_file():
            shutil.copyfile(origin / "Vagrantfile", folder / "Vagrantfile")
            if (origin / "include").is_dir():
                shutil.copytree(origin / "include", folder / "include")
        else:
            (folder / "Vagrantfile").write_text('Vagrant.configure("2") { |config| }\n', "utf-8")

    def remove(self) -> None:
        self._end_keeper()
        self.stop = Stop()  # also after Ctrl-C
        name = self.machine.copy_name
        if name in self._virsh("list", "--name").split():
            self._virsh("destroy", name)
        for pool in self._virsh("pool-list", "--name").split():
            began = time.monotonic()
            while self._volume in self._volumes(pool):
                try:
                    self._virsh("vol-delete", "--pool", pool, self._volume)
                except MachineError:
                    if time.monotonic() - began > _BUSY:
                        raise
                    self._pause()

    # -- virsh

    def _virsh(self, *arguments: str | Path, **watching: object) -> str:
        return run(("virsh", "--quiet", "--connect", self._uri, *arguments), self.stop, **watching)  # type: ignore[arg-type]

    def _volumes(self, pool: str) -> list[str]:
        self._virsh("pool-refresh", pool)
        return [line.split()[0] for line in self._virsh("vol-list", pool).splitlines() if line]

    def _allocated(self, pool: str) -> int:
        """Return the bytes that the copy's disk takes in its pool; 0 if there is none."""
        try:
            info = self._virsh("vol-info", "--bytes", "--physical", "--pool", pool, self._volume)
        except MachineError:
            return 0
        found = re.search(r"^(?:Physical|Allocation):\s+(\d+)", info, re.M)
        return int(found[1]) if found else 0

    def _read(self) -> ET.Element:
        """Return libvirt's definition of the machine, checked for what a copy can have."""
        try:
            self._xml = self._xml or self._virsh("dumpxml", "--inactive", self.machine.id)
        except MachineError as error:
            error.hint = msg(
                "if the lab's machines are on another libvirt, set LIBVIRT_DEFAULT_URI to it"
            )
            raise
        found = ET.fromstring(self._xml)
        if len(_disks(found)) != 1:
            raise UsageError(
                msg("has {count} disks, and a box holds one", count=len(_disks(found))),
                node=self.machine.node,
                hint=msg("bake another node, or one without additional disks"),
            )
        return found

    def _place(self) -> tuple[str, str]:
        """Return the pool and the volume of the machine's disk."""
        source = _disks(self._read())[0].find("source")
        assert source is not None
        if source.get("pool"):
            return str(source.get("pool")), str(source.get("volume"))
        path = source.get("file") or source.get("dev") or ""
        return self._virsh("vol-pool", path).strip(), self._virsh("vol-name", path).strip()

    def _write(self, name: str, element: ET.Element) -> Path:
        path = self.machine.copies / name
        path.write_bytes(ET.tostring(element))
        return path

    def _pause(self) -> None:
        if self.stop.requested.wait(_POLL):
            raise Interrupted("interrupted", node=self.machine.node)

    def _end_keeper(self) -> None:
        if self._keeper is None:
            return
        self._keeper.kill()
        self._keeper.wait()
        self._keeper = None


def _disks(domain: ET.Element) -> list[ET.Element]:
    return [disk for disk in domain.findall("devices/disk") if disk.get("device", "disk") == "disk"]


def _copy_of(domain: ET.Element, name: str, disk: str) -> ET.Element:
    """Return the definition of a copy: the same hardware, another disk, the first network only.

    The lab's networks are left out, so that the copy is never a second node of the lab.
    """
    for path in _LEFT_OUT:
        _drop(domain, path)
    found = domain.find("name")
    assert found is not None
    found.text = name
    (own,) = _disks(domain)
    for part in ("source", "backingStore"):
        _drop(own, part)
    own.set("type", "file")
    ET.SubElement(own, "source", file=disk)
    driver = own.find("driver")
    if driver is None:
        driver = ET.SubElement(own, "driver", name="qemu")
    # Zeros that the seal writes free space instead of taking it, and a power cut loses only a copy.
    driver.set("type", "qcow2")
    driver.set("cache", "unsafe")
    driver.set("discard", "unmap")
    driver.set("detect_zeroes", "unmap")
    driver.attrib.pop("io", None)
    devices = domain.find("devices")
    assert devices is not None
    for other in devices.findall("disk"):
        if other is not own:
            devices.remove(other)
    for index, card in enumerate(devices.findall("interface")):
        if index:
            devices.remove(card)
            continue
        for part in ("mac", "target"):
            _drop(card, part)
    for channel in devices.findall("channel"):
        _drop(channel, "source")
    return domain


def _drop(element: ET.Element, path: str) -> None:
    """Remove the parts of an element at `path`."""
    folder, _, name = path.rpartition("/")
    for parent in element.findall(folder) if folder else [element]:
        for child in parent.findall(name):
            parent.remove(child)
