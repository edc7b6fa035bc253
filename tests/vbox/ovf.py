"""The machine in an appliance's OVF file: the part that an import uses."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from dataclasses import dataclass
from pathlib import Path

from tests.vbox.errors import FILE_ERROR, Refused

_OVF = "{http://schemas.dmtf.org/ovf/envelope/1}"
_RASD = "{http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/CIM_ResourceAllocationSettingData}"
# Kinds of hardware, by CIM's numbers.
_PROCESSORS, _MEMORY = "3", "4"


@dataclass(frozen=True)
class Appliance:
    """A machine to be imported."""

    name: str
    disk: Path
    cpus: int
    memory: int


def read(file: Path) -> Appliance:
    """Read an OVF file with one machine that has one disk."""
    if not file.is_file():
        raise Refused(f"Could not open the file '{file}' (VERR_FILE_NOT_FOUND)", FILE_ERROR)
    try:
        root = ET.parse(file).getroot()
    except ET.ParseError as problem:
        raise Refused(f'Error reading "{file}": {problem}', FILE_ERROR) from problem
    system = root.find(f"{_OVF}VirtualSystem")
    if system is None:
        raise Refused(f'Error reading "{file}": it holds no virtual system', FILE_ERROR)
    hardware: dict[str, int] = {}
    for item in system.iter(f"{_OVF}Item"):
        kind = item.findtext(f"{_RASD}ResourceType", "")
        quantity = item.findtext(f"{_RASD}VirtualQuantity")
        if quantity:
            hardware[kind] = int(quantity)
    return Appliance(
        name=system.get(f"{_OVF}id", ""),
        disk=_disk(file, root),
        cpus=hardware.get(_PROCESSORS, 1),
        memory=hardware.get(_MEMORY, 512),
    )


def _disk(file: Path, root: ET.Element) -> Path:
    files = {
        reference.get(f"{_OVF}id"): reference.get(f"{_OVF}href", "")
        for reference in root.iterfind(f"{_OVF}References/{_OVF}File")
    }
    disks = [
        files.get(disk.get(f"{_OVF}fileRef"), "")
        for disk in root.iterfind(f"{_OVF}DiskSection/{_OVF}Disk")
    ]
    if len(disks) != 1 or not disks[0]:
        raise Refused(f'Error reading "{file}": it has to name one disk', FILE_ERROR)
    disk = file.resolve().parent / disks[0]
    if not disk.is_file():
        raise Refused(f"Could not open the medium '{disk}' (VERR_FILE_NOT_FOUND)", FILE_ERROR)
    return disk
