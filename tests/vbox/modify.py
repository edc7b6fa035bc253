"""`modifyvm`: the settings of a machine that is off.

What the double acts on is set in the machine; what only VirtualBox has a use for is remembered, if
its name is known. Any other option is an error.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from tests.vbox.double import Double
from tests.vbox.errors import BadSyntax, NotInDouble, Refused
from tests.vbox.machine import KINDS, SLOTS, Forward, Machine, Nic, new_mac

# Without effect here: the same for every QEMU, or about parts that the guest does not have.
_NAMES = """
acpi apic audio audioenabled audioin audioout biosbootmenu clipboard clipboardmode
cpuexecutioncap cpuhotplug description draganddrop graphicscontroller groups hpet hwvirtex
hwvirtexexcl ioapic largepages mouse nested-hw-virt nestedhwvirt nestedpaging ostype pae
paravirtprovider rtcuseutc uartmode1 usb usbehci usbohci usbxhci vram vrde vtxvpid x2apic
"""
_REMEMBERED = frozenset(_NAMES.split())
_OF_A_NIC = ("nic", "macaddress", "hostonlyadapter", "intnet", "natpf", "nictype",
             "cableconnected")  # fmt: skip
_NIC_REMEMBERED = (
    "natdnshostresolver", "natdnsproxy", "natdnspassdomain", "nicpromisc", "nicspeed",
    "nicbootprio", "natlocalhostreachable",
)  # fmt: skip
_PATTERN = re.compile(rf"({'|'.join((*_OF_A_NIC, *_NIC_REMEMBERED))})([1-9]\d*)")
_SWITCH = {"on": True, "off": False}


def modifyvm(double: Double, arguments: list[str]) -> None:
    """`modifyvm VM --option value …`."""
    if not arguments:
        raise BadSyntax("modifyvm: which machine?")
    with double.registry.changing(arguments[0]) as machine:
        double.require_off(machine)
        rest = iter(arguments[1:])
        for option in rest:
            _apply(double, machine, option, rest)


def _apply(double: Double, machine: Machine, option: str, rest: Iterator[str]) -> None:
    if not option.startswith("--"):
        raise BadSyntax(f"Invalid parameter '{option}'")
    name = option[2:]
    if double.home.long_options:
        name = name.replace("-", "")
    value = _value(option, rest)
    hardware = machine.hardware
    match = _PATTERN.fullmatch(name)
    if match:
        slot = int(match[2])
        if slot > SLOTS:
            raise BadSyntax(f"Invalid NIC slot {slot}")
        if match[1] == "natpf":
            _forward(hardware.nic(slot), value, lambda: _value(option, rest))
        else:
            _adapter(hardware.nic(slot), match[1], value)
    elif name == "name":
        with double.home.locked():
            double.registry.require_free(value, machine.uuid)
            machine.name = value
            double.registry.save(machine)
    elif name == "memory":
        hardware.memory = _number(option, value, 4, 2_097_152)
    elif name == "cpus":
        hardware.cpus = _number(option, value, 1, 64)
    elif name in _REMEMBERED:
        hardware.settings[name] = value
    else:
        raise BadSyntax(f"Unknown option: {option}")


def _adapter(nic: Nic, name: str, value: str) -> None:
    if name == "nic":
        if value not in KINDS:
            raise NotInDouble(f"the network “{value}”, only {', '.join(KINDS)}")
        nic.kind = value
    elif name == "macaddress":
        if value != "auto" and not re.fullmatch(r"[0-9A-Fa-f]{12}", value):
            raise BadSyntax(f"Invalid MAC address '{value}'")
        nic.mac = new_mac() if value == "auto" else value.upper()
    elif name in ("hostonlyadapter", "intnet"):
        nic.adapter = value
    elif name == "nictype":
        nic.model = value
    elif name == "cableconnected":
        if value not in _SWITCH:
            raise BadSyntax(f"Invalid value '{value}': on or off")
        nic.cable = _SWITCH[value]
    else:
        nic.settings[name] = value


def _forward(nic: Nic, rule: str, following: Callable[[], str]) -> None:
    if rule == "delete":
        name = following()
        kept = [forward for forward in nic.forwards if forward.name != name]
        if len(kept) == len(nic.forwards):
            raise Refused(f"There is no port forwarding rule named '{name}'", "E_INVALIDARG")
        nic.forwards = kept
        return
    fields = rule.split(",")
    if len(fields) != 6 or fields[1] not in ("tcp", "udp"):
        raise BadSyntax(f"Invalid port forwarding rule '{rule}'")
    name, protocol, host, host_port, guest, guest_port = fields
    if any(forward.name == name for forward in nic.forwards):
        raise Refused(f"A NAT rule of this name already exists: '{name}'", "E_INVALIDARG")
    forward = Forward(
        name or f"{protocol}_{host_port}_{guest_port}", protocol,
        host, _number("--natpf", host_port, 1, 65535),
        guest, _number("--natpf", guest_port, 1, 65535),
    )  # fmt: skip
    nic.forwards.append(forward)


def _value(option: str, rest: Iterator[str]) -> str:
    value = next(rest, None)
    if value is None:
        raise BadSyntax(f"Missing argument to '{option}'")
    return value


def _number(option: str, text: str, least: int, most: int) -> int:
    if not text.isdigit() or not least <= int(text) <= most:
        raise BadSyntax(f"Invalid value '{text}' for '{option}': {least} to {most}")
    return int(text)
