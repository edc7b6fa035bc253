"""`showvminfo`: what is known of a machine, for programs or for people."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from tests.vbox.double import Double
from tests.vbox.machine import DISK, SLOTS, Machine, Nic
from tests.vbox.options import parse
from tests.vbox.state import RUNNING
from tests.vbox.tree import listing

_CONTROLLER = "SATA Controller"


def showvminfo(double: Double, arguments: list[str]) -> None:
    """`showvminfo VM [--machinereadable]`."""
    parsed = parse(arguments, {"--machinereadable": False, "--details": False}, words=1)
    machine = double.registry.find(parsed.words[0])
    folder, state = double.folder(machine), double.state(machine)
    lines = readable(machine, folder, state)
    if parsed.has("--machinereadable"):
        lines = machinereadable(machine, folder, state)
    for line in lines:
        double.say(line)


def readable(machine: Machine, folder: Path, state: str) -> Iterator[str]:
    """The lines for people."""
    yield f"Name:                        {machine.name}"
    yield f"UUID:                        {machine.uuid}"
    yield f"Config file:                 {folder / 'machine.json'}"
    yield f"Memory size:                 {machine.hardware.memory}MB"
    yield f"Number of CPUs:              {machine.hardware.cpus}"
    yield f"State:                       {state}"


def machinereadable(machine: Machine, folder: Path, state: str) -> Iterator[str]:
    """The lines for programs: `key="value"`, numbers without quotes.

    The state has to stand before the port forwardings, and each adapter before its own: readers
    go through the lines once.
    """
    yield f'name="{machine.name}"'
    yield 'ostype="Red Hat (64-bit)"'
    yield f'UUID="{machine.uuid}"'
    yield f'CfgFile="{folder / "machine.json"}"'
    yield f'SnapFldr="{folder}"'
    yield f"memory={machine.hardware.memory}"
    yield f"cpus={machine.hardware.cpus}"
    yield f'VMState="{state}"'
    yield f'storagecontrollername0="{_CONTROLLER}"'
    yield 'storagecontrollertype0="IntelAhci"'
    yield 'storagecontrollermaxportcount0="30"'
    if machine.attached:
        yield f'"{_CONTROLLER}-0-0"="{folder / DISK}"'
        yield f'"{_CONTROLLER}-ImageUUID-0-0"="{machine.disk_uuid}"'
    for slot in range(1, SLOTS + 1):
        yield from _adapter(slot, machine.hardware.nics.get(slot, Nic()))
    if state in RUNNING:
        yield 'SessionName="headless"'
    yield from _shared(machine)
    yield from listing(machine)


def _adapter(slot: int, nic: Nic) -> Iterator[str]:
    yield f'nic{slot}="{nic.kind}"'
    if nic.kind == "none":
        return
    yield f'nictype{slot}="{nic.model}"'
    yield f'macaddress{slot}="{nic.mac}"'
    yield f'cableconnected{slot}="{"on" if nic.cable else "off"}"'
    if nic.kind == "nat":
        yield f'natnet{slot}="nat"'
        for number, forward in enumerate(nic.forwards):
            yield f'Forwarding({number})="{forward.rule()}"'
    elif nic.kind == "intnet":
        yield f'intnet{slot}="{nic.adapter}"'
    else:
        yield f'hostonlyadapter{slot}="{nic.adapter}"'


def _shared(machine: Machine) -> Iterator[str]:
    for kind in ("Machine", "Transient"):
        folders = [f for f in machine.shared if f.transient == (kind == "Transient")]
        for number, folder in enumerate(folders, 1):
            yield f'SharedFolderName{kind}Mapping{number}="{folder.name}"'
            yield f'SharedFolderPath{kind}Mapping{number}="{folder.path}"'
