"""Machines made and unmade: `import`, `export`, `clonevm`, `unregistervm`."""

from __future__ import annotations

import shutil
from pathlib import Path

from tests.vbox import media, ovf
from tests.vbox.double import Double
from tests.vbox.errors import FILE_ERROR, INVALID_STATE, BadSyntax, NotInDouble, Refused
from tests.vbox.machine import DISK, Hardware, Machine, Nic, new_uuid
from tests.vbox.options import parse
from tests.vbox.state import RUNNING
from tests.vbox.tree import find

_DISK_UNIT = "9"
_IMPORT = {
    "-n": False, "--dry-run": False, "--dryrun": False, "--vsys": True, "--vmname": True,
    "--unit": True, "--disk": True, "--memory": True, "--cpus": True,
}  # fmt: skip


def import_(double: Double, arguments: list[str]) -> None:
    """`import FILE [-n] [--vsys 0 --vmname NAME] [--vsys 0 --unit N --disk PATH]`.

    The disk goes into the machine's folder under a name of the double's, whatever `--disk` says.
    """
    parsed = parse(arguments, _IMPORT, words=1)
    appliance = ovf.read(Path(parsed.words[0]))
    for option, only in (("--vsys", "0"), ("--unit", _DISK_UNIT)):
        if set(parsed.values.get(option, [only])) != {only}:
            raise BadSyntax(f"Invalid value for {option}: the appliance has only {only}")
    settings = double.home.machines / appliance.name / f"{appliance.name}.vbox"
    double.say(f"Interpreting {parsed.words[0]}...\nOK.")
    if any(parsed.has(option) for option in ("-n", "--dry-run", "--dryrun")):
        double.say(
            "Disks:\n"
            f"Virtual system 0:\n"
            f' 2: Suggested VM name "{appliance.name}"\n'
            '    (change with "--vsys 0 --vmname <name>")\n'
            f' 4: Suggested VM settings file name "{settings}"\n'
            f" 5: Number of CPUs: {appliance.cpus}\n"
            f" 6: Guest memory: {appliance.memory} MB\n"
            f" {_DISK_UNIT}: Hard disk image: source image={appliance.disk.name}, "
            f"target path={settings.parent / appliance.disk.name}, controller=8;channel=0"
        )
        return
    hardware = Hardware(
        memory=int(parsed.get("--memory", str(appliance.memory))),
        cpus=int(parsed.get("--cpus", str(appliance.cpus))),
        nics={1: Nic("nat")},
    )
    name = parsed.get("--vmname", appliance.name)
    made = Machine(uuid=new_uuid(), name=name, hardware=hardware)
    folder = double.registry.draft(made)
    try:
        media.convert(appliance.disk, folder / DISK)
        double.registry.add(made, folder)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    double.say("Successfully imported the appliance.")


def export(double: Double, arguments: list[str]) -> None:
    """`export VM --output FILE.ovf`: its present state, without snapshots.

    VirtualBox compresses the disk, which takes an emulated processor long and helps no test.
    """
    parsed = parse(arguments, {"--output": True, "-o": True}, words=1)
    target = Path(parsed.get("--output") or parsed.one("-o"))
    with double.registry.holding(parsed.words[0]) as machine:
        double.require_off(machine)
        if target.exists():
            raise Refused(f"File '{target}' already exists (VERR_ALREADY_EXISTS)", FILE_ERROR)
        disk = target.with_name(f"{target.stem}-disk001.vmdk")
        media.convert(double.disk(machine), disk)
        size = int(media.info(disk)["virtual-size"])
        target.write_text(ovf.text(machine.name, disk.name, size, machine.hardware.cpus))
    double.say("Successfully exported 1 machine(s).")


def clonevm(double: Double, arguments: list[str]) -> None:
    """`clonevm VM --name NAME --register [--snapshot NAME --options link]`."""
    known = {"--name": True, "--register": False, "--snapshot": True, "--options": True,
             "--mode": True}  # fmt: skip
    parsed = parse(arguments, known, words=1)
    options = {word for text in parsed.values.get("--options", []) for word in text.split(",")}
    for unknown in options - {"link", "keepallmacs"}:
        raise NotInDouble(f"the option “{unknown}” of clonevm")
    if not parsed.has("--register") or parsed.get("--mode", "machine") != "machine":
        raise NotInDouble("clones that are not registered, or with their snapshots")
    with double.registry.holding(parsed.words[0]) as origin:
        made = origin.clone(
            parsed.get("--name", f"{origin.name} Clone"), keep_macs="keepallmacs" in options
        )
        _require_still(double, origin, parsed.get("--snapshot"), linked="link" in options)
        folder = double.registry.draft(made)
        try:
            if "link" in options:
                made.base = origin.uuid
                media.overlay(double.disk(origin), folder / DISK)
            else:
                media.convert(double.disk(origin), folder / DISK)
            double.registry.add(made, folder)
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise
    double.say(f'Machine has been successfully cloned as "{made.name}"')


def _require_still(double: Double, origin: Machine, snapshot: str, *, linked: bool) -> None:
    """A clone is of the disk as it is: refuse where that is not what was asked for."""
    double.require_off(origin)
    if not snapshot:
        if linked:
            raise Refused("Linked clone can only be created from a snapshot", INVALID_STATE)
        return
    wanted = find(origin, snapshot)
    if wanted.live or origin.dirty or wanted.uuid != origin.current:
        raise NotInDouble("clones of anything but an unchanged current snapshot of the disk")


def unregistervm(double: Double, arguments: list[str]) -> None:
    """`unregistervm VM --delete`."""
    parsed = parse(arguments, {"--delete": False, "--delete-all": False}, words=1)
    if not parsed.values:
        raise NotInDouble("unregistervm that keeps the files")
    with double.registry.holding(parsed.words[0]) as machine:
        if double.state(machine) in RUNNING:
            raise Refused(
                f"Cannot unregister the machine '{machine.name}' while it is locked", INVALID_STATE
            )
        double.registry.require_no_clones(machine)
        double.registry.remove(machine)
