"""A throw-away copy of a machine of VirtualBox: a full clone, with the network of ssh only."""

from __future__ import annotations

import contextlib
import re
import socket
import tarfile
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from labctl.errors import Interrupted, MachineError, UsageError
from labctl.machines.box import Progress
from labctl.machines.clone import OFF_SECONDS, Clone, Machine, program, require_space
from labctl.machines.host import find_program
from labctl.machines.programs import run
from labctl.machines.vagrant_program import environment, find_vagrant
from labctl.messages import msg
from labctl.parallel import Stop
from labctl.remote.target import Target

_POLL = 1.0
_DISK = re.compile(r'^"?[^"=]*-\d+-\d+"?="(?P<path>[^"]+\.(?!iso"|viso")\w+)"$', re.M)
"""A disk in what `showvminfo --machinereadable` prints; other drives hold ISO files."""

_GONE = "Could not find a registered machine"


class VirtualBoxClone(Clone):
    """A throw-away copy of a machine of VirtualBox.

    Parameters:
        machine: the machine.
        stop: ends running programs on Ctrl-C.
        installed_by: variables with the folder of VBoxManage on Windows.
    """

    def __init__(self, machine: Machine, stop: Stop, installed_by: Sequence[str] = ()) -> None:
        super().__init__(machine, stop)
        self._installed_by = installed_by

    def check(self, size: int) -> None:
        (disk,) = self._disks(self.machine.id)
        require_space(disk.parent, size)

    def create(self, progress: Progress) -> None:
        # "machine" is its present state, without its snapshots.
        self._manage(
            *("clonevm", self.machine.id, "--mode", "machine"),
            *("--name", self.machine.copy_name, "--register"),
        )

    def start(self) -> Target:
        name = self.machine.copy_name
        about = self._about(name)
        for card in re.findall(r'^nic([2-8])="(?!none")', about, re.M):
            self._manage("modifyvm", name, f"--nic{card}", "none")
        for rule in re.findall(r'^Forwarding\(\d+\)="([^,"]+),', about, re.M):
            self._manage("modifyvm", name, "--natpf1", "delete", rule)
        for folder in re.findall(r'^SharedFolderNameMachineMapping\d+="([^"]+)"', about, re.M):
            self._manage("sharedfolder", "remove", name, "--name", folder)
        port = _free_port()
        self._manage("modifyvm", name, "--natpf1", f"ssh,tcp,127.0.0.1,{port},,22")
        self._manage("startvm", name, "--type", "headless")
        return replace(self.machine.target, host="127.0.0.1", port=port, jump="", proxy="")

    def wait_off(self) -> None:
        began = time.monotonic()
        while 'VMState="poweroff"' not in self._about(self.machine.copy_name):
            if time.monotonic() - began > OFF_SECONDS:
                self._manage("controlvm", self.machine.copy_name, "poweroff")
                return
            if self.stop.requested.wait(_POLL):
                raise Interrupted("interrupted", node=self.machine.node)

    def disk(self, folder: Path, progress: Progress) -> Path:
        (disk,) = self._disks(self.machine.copy_name)
        return disk

    def pack(self, disk: Path, folder: Path, progress: Progress) -> None:
        file = folder.with_name("package.box")
        command: list[str | Path] = [
            *(find_vagrant(), "package", "--base", self.machine.copy_name, "--output", file)
        ]
        origin = self.machine.box_folder
        if origin is not None and (origin / "Vagrantfile").is_file():
            command += ["--vagrantfile", origin / "Vagrantfile"]

        def watch() -> None:
            if file.exists():
                progress(file.stat().st_size, disk.stat().st_size)

        run(command, self.stop, watch, folder=self.machine.root, environment=environment())
        with tarfile.open(file) as tar:
            tar.extractall(folder, filter="data")
        file.unlink()

    def remove(self) -> None:
        self.stop = Stop()  # also after Ctrl-C
        name = self.machine.copy_name
        try:
            about = self._about(name)
        except MachineError as error:
            if _GONE in error.details:
                return
            raise
        if not re.search(r'^VMState="(poweroff|aborted|saved)"', about, re.M):
            with contextlib.suppress(MachineError):  # it has just powered off
                self._manage("controlvm", name, "poweroff")
        self._manage("unregistervm", name, "--delete")

    # -- VBoxManage

    def _manage(self, *arguments: str) -> str:
        path = program(
            "VBoxManage",
            lambda name: find_program(name, self._installed_by),
            msg("install VirtualBox"),
        )
        return run((path, *arguments), self.stop)

    def _about(self, name: str) -> str:
        return self._manage("showvminfo", name, "--machinereadable")

    def _disks(self, name: str) -> list[Path]:
        found = [Path(one["path"]) for one in _DISK.finditer(self._about(name))]
        if len(found) != 1:
            raise UsageError(
                msg("has {count} disks, and a box holds one", count=len(found)),
                node=self.machine.node,
                hint=msg("bake another node, or one without additional disks"),
            )
        return found


def _free_port() -> int:
    """Return a TCP port on which nothing listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
