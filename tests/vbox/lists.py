"""`list`: what there is, in blocks of `Key:   value`."""

from __future__ import annotations

from collections.abc import Callable

from tests.vbox import media
from tests.vbox.double import Double
from tests.vbox.errors import NotInDouble
from tests.vbox.network import Interfaces
from tests.vbox.options import parse
from tests.vbox.state import RUNNING


def list_(double: Double, arguments: list[str]) -> None:
    """`list KIND`."""
    kind = parse(arguments, {"--long": False, "-l": False}, words=1).words[0]
    known: dict[str, Callable[[Double], None]] = {
        "vms": _vms,
        "runningvms": _running,
        "systemproperties": _properties,
        "hostonlyifs": _interfaces,
        "hdds": _disks,
    }
    # There are none of these, ever.
    empty = {"dhcpservers", "bridgedifs", *(["hostonlynets"] if double.home.long_options else [])}
    if kind in known:
        known[kind](double)
    elif kind not in empty:
        raise NotInDouble(f"list {kind}")


def _vms(double: Double) -> None:
    for machine in double.registry.all():
        double.say(f'"{machine.name}" {{{machine.uuid}}}')


def _running(double: Double) -> None:
    for machine in double.registry.all():
        if double.state(machine) in RUNNING:
            double.say(f'"{machine.name}" {{{machine.uuid}}}')


def _properties(double: Double) -> None:
    _block(
        double,
        {
            "API version": double.home.series.replace(".", "_"),
            "Maximum ICH9 Network Adapter count": "8",
            "Default machine folder": str(double.home.machines),
        },
        end=False,
    )


def _interfaces(double: Double) -> None:
    for number, interface in enumerate(Interfaces(double.home).all()):
        _block(
            double,
            {
                "Name": interface.name,
                "GUID": interface.guid,
                "DHCP": "Disabled",
                "IPAddress": interface.address,
                "NetworkMask": interface.netmask,
                "IPV6Address": "",
                "IPV6NetworkMaskPrefixLength": "0",
                "HardwareAddress": f"0a:00:27:00:00:{number:02x}",
                "MediumType": "Ethernet",
                "Wireless": "No",
                "Status": "Up",
                "VBoxNetworkName": f"HostInterfaceNetworking-{interface.name}",
            },
        )


def _disks(double: Double) -> None:
    for machine in double.registry.all():
        disk = double.disk(machine)
        _block(
            double,
            {
                "UUID": machine.disk_uuid,
                "Parent UUID": "base",
                "State": "locked write" if double.state(machine) in RUNNING else "created",
                "Type": "normal (base)",
                "Location": str(disk),
                # As the disk of a published box; what it is, nobody looks at.
                "Storage format": "VMDK",
                "Capacity": f"{media.info(disk)['virtual-size'] >> 20} MBytes",
            },
        )


def _block(double: Double, fields: dict[str, str], *, end: bool = True) -> None:
    """An empty value keeps the blanks before it: Vagrant's patterns want one character."""
    for key, value in fields.items():
        double.say(f"{key + ':':<16} {value}")
    if end:
        double.say("")
