"""`snapshot`: of a machine that is off, its disk; of one that runs, its memory too.

A snapshot lives in the machine's qcow2 file under its UUID. VirtualBox writes on into a new file
instead; the difference shows where others' disks are overlays, so with clones nothing is restored
or deleted here.
"""

from __future__ import annotations

from tests.vbox import media
from tests.vbox.double import Double
from tests.vbox.errors import INVALID_STATE, BadSyntax, NotInDouble, Refused
from tests.vbox.machine import SAVED_STATE, Machine, Snapshot, new_uuid
from tests.vbox.monitor import Monitor
from tests.vbox.options import action, parse
from tests.vbox.state import RUNNING
from tests.vbox.tree import find, listing


def snapshot(double: Double, arguments: list[str]) -> None:
    """`snapshot VM take|restore|restorecurrent|delete|list …`."""
    key, rest = action(arguments, "snapshot")
    verb, rest = action(rest, "snapshot")
    match verb:
        case "take":
            parsed = parse(
                rest, {"--description": True, "--live": False, "--pause": False}, words=1
            )
            with double.registry.changing(key) as machine:
                made = _take(double, machine, parsed.words[0], parsed.get("--description"))
            double.say(f"Snapshot taken. UUID: {made.uuid}")
        case "restore":
            name = parse(rest, {}, words=1).words[0]
            with double.registry.changing(key) as machine:
                _restore(double, machine, find(machine, name))
        case "restorecurrent":
            parse(rest, {}, words=0)
            with double.registry.changing(key) as machine:
                _restore(double, machine, find(machine, machine.current))
        case "delete":
            name = parse(rest, {}, words=1).words[0]
            with double.registry.changing(key) as machine:
                _delete(double, machine, find(machine, name))
        case "list":
            parse(rest, {"--machinereadable": False, "--details": False}, words=0)
            _list(double, double.registry.find(key))
        case _:
            raise BadSyntax(f"Invalid parameter '{verb}'")


def _take(double: Double, machine: Machine, name: str, description: str) -> Snapshot:
    state = double.state(machine)
    if state == "saved":
        raise NotInDouble("snapshots of a machine in the state “saved”")
    live = state in RUNNING
    made = Snapshot(
        uuid=new_uuid(),
        name=name,
        parent=machine.current,
        live=live,
        hardware=machine.hardware.copy(),
        description=description,
    )
    if live:
        with Monitor(double.folder(machine)) as monitor:
            monitor.say(f"savevm {made.uuid}")
    else:
        media.snapshot(double.disk(machine), made.uuid)
        machine.dirty = False
    machine.snapshots.append(made)
    machine.current = made.uuid
    return made


def _restore(double: Double, machine: Machine, wanted: Snapshot) -> None:
    state = double.state(machine)
    if state in RUNNING:
        raise Refused(
            f"Cannot delete the current state of the running machine (machine state: "
            f"{state.capitalize()})",
            INVALID_STATE,
        )
    double.registry.require_no_clones(machine)
    if machine.saved == SAVED_STATE:
        media.forget(double.disk(machine), SAVED_STATE)
    media.revert(double.disk(machine), wanted.uuid)
    machine.hardware = wanted.hardware.copy()
    machine.current = wanted.uuid
    machine.saved = wanted.uuid if wanted.live else ""
    machine.dirty = wanted.live
    machine.paused = False
    (double.folder(machine) / "pid").unlink(missing_ok=True)
    double.say(f"Restoring snapshot '{wanted.name}' ({wanted.uuid})")


def _delete(double: Double, machine: Machine, doomed: Snapshot) -> None:
    children = [entry for entry in machine.snapshots if entry.parent == doomed.uuid]
    if len(children) > 1:
        raise Refused(
            f"Snapshot '{doomed.name}' of the machine '{machine.name}' cannot be deleted, "
            f"because it has {len(children)} child snapshots",
            INVALID_STATE,
        )
    double.registry.require_no_clones(machine)
    if machine.saved == doomed.uuid:
        raise NotInDouble("the deletion of the snapshot that a saved machine goes on from")
    if double.state(machine) in RUNNING:
        with Monitor(double.folder(machine)) as monitor:
            monitor.say(f"delvm {doomed.uuid}")
    else:
        media.forget(double.disk(machine), doomed.uuid)
    for child in children:
        child.parent = doomed.parent
    if machine.current == doomed.uuid:
        machine.current = doomed.parent
        machine.dirty = True
    machine.snapshots.remove(doomed)
    double.say(f"Deleting snapshot '{doomed.name}' ({doomed.uuid})")


def _list(double: Double, machine: Machine) -> None:
    if not machine.snapshots:
        # VBoxManage says so on stdout, and fails.
        double.say("This machine does not have any snapshots")
        raise Refused("")
    for line in listing(machine):
        double.say(line)
