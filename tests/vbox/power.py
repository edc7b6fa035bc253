"""Machines on and off: `startvm`, `controlvm`, `discardstate`."""

from __future__ import annotations

from tests.vbox import media, network, process
from tests.vbox.double import Double
from tests.vbox.errors import INVALID_STATE, BadSyntax, NotInDouble, Refused
from tests.vbox.machine import SAVED_STATE, Machine
from tests.vbox.monitor import Monitor
from tests.vbox.options import action, parse

_TYPES = ("headless", "gui", "separate")


def startvm(double: Double, arguments: list[str]) -> None:
    """`startvm VM [--type headless]`: boot, or go on from the saved state."""
    parsed = parse(arguments, {"--type": True}, words=1)
    if parsed.get("--type", "gui") not in _TYPES:
        raise BadSyntax(f"Invalid frontend type '{parsed.get('--type')}'")
    with double.registry.changing(parsed.words[0]) as machine:
        double.require_off(machine)
        if double.registry.clones(machine):
            # VirtualBox can; here the clones' overlays would see their base change.
            raise NotInDouble("the start of a machine that has linked clones")
        double.say(f'Waiting for VM "{machine.name}" to power on...')
        if not machine.attached:
            raise Refused(f"The machine '{machine.name}' has no disk", INVALID_STATE)
        network.Interfaces(double.home).require(machine)
        folder = double.folder(machine)
        process.start(machine, folder, machine.saved)
        try:
            network.plug(machine)
            if machine.saved == SAVED_STATE:
                with Monitor(folder) as monitor:
                    monitor.say(f"delvm {SAVED_STATE}")
        except BaseException:
            process.stop(machine, folder)
            raise
        machine.saved = ""
        machine.paused = False
        machine.dirty = True
        double.say(f'VM "{machine.name}" has been successfully started.')


def controlvm(double: Double, arguments: list[str]) -> None:
    """`controlvm VM poweroff|acpipowerbutton|reset|pause|resume|savestate`."""
    key, rest = action(arguments, "controlvm")
    verb, rest = action(rest, "controlvm")
    parse(rest, {}, words=0)
    with double.registry.changing(key) as machine:
        double.require_running(machine)
        folder = double.folder(machine)
        match verb:
            case "poweroff":
                process.stop(machine, folder)
                machine.paused = False
            case "savestate":
                _save(machine, double)
            case "pause":
                _tell(double, machine, "stop")
                machine.paused = True
            case "resume":
                if not machine.paused:
                    raise Refused(
                        f"Cannot resume the machine '{machine.name}' as it is not paused "
                        "(machine state: Running)",
                        INVALID_STATE,
                    )
                _tell(double, machine, "cont")
                machine.paused = False
            case "reset":
                _tell(double, machine, "system_reset")
            case "acpipowerbutton":
                _tell(double, machine, "system_powerdown")
            case _:
                raise BadSyntax(f"Invalid parameter '{verb}'")


def discardstate(double: Double, arguments: list[str]) -> None:
    """`discardstate VM`: forget the memory, keep the disk. Nothing if there is no saved state."""
    key = parse(arguments, {}, words=1).words[0]
    with double.registry.changing(key) as machine:
        double.require_off(machine)
        if machine.saved == SAVED_STATE:
            media.forget(double.disk(machine), SAVED_STATE)
        machine.saved = ""


def _save(machine: Machine, double: Double) -> None:
    folder = double.folder(machine)
    with Monitor(folder) as monitor:
        # Stopped first, or the disk would move on between the saving and the end.
        monitor.execute("stop")
        try:
            monitor.say(f"savevm {SAVED_STATE}")
        except Refused:
            monitor.execute("cont")
            raise
    process.stop(machine, folder)
    machine.saved = SAVED_STATE
    machine.paused = False


def _tell(double: Double, machine: Machine, command: str) -> None:
    with Monitor(double.folder(machine)) as monitor:
        monitor.execute(command)
