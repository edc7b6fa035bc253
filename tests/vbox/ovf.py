"""The machine in an appliance's OVF file: the part that an import uses and an export writes."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from dataclasses import dataclass
from pathlib import Path

from tests.vbox.errors import FILE_ERROR, Refused

_OVF = "{http://schemas.dmtf.org/ovf/envelope/1}"
_RASD = "{http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/CIM_ResourceAllocationSettingData}"
# Kinds of hardware, by CIM's numbers.
_PROCESSORS, _MEMORY = "3", "4"

_TEMPLATE = """\
<?xml version="1.0" encoding="UTF-8"?>
<Envelope ovf:version="1.0" xmlns="http://schemas.dmtf.org/ovf/envelope/1"
  xmlns:ovf="http://schemas.dmtf.org/ovf/envelope/1"
  xmlns:rasd="http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/CIM_ResourceAllocationSettingData">
  <References>
    <File ovf:id="file1" ovf:href="{disk}"/>
  </References>
  <DiskSection>
    <Info>The disks</Info>
    <Disk ovf:diskId="vmdisk1" ovf:fileRef="file1" ovf:capacity="{capacity}"/>
  </DiskSection>
  <VirtualSystem ovf:id="{name}">
    <Info>A stand-in for a CentOS 7 machine</Info>
    <VirtualHardwareSection>
      <Info>The hardware</Info>
      <Item>
        <rasd:InstanceID>1</rasd:InstanceID>
        <rasd:ResourceType>3</rasd:ResourceType>
        <rasd:VirtualQuantity>{cpus}</rasd:VirtualQuantity>
      </Item>
      <Item>
        <rasd:InstanceID>2</rasd:InstanceID>
        <rasd:ResourceType>4</rasd:ResourceType>
        <rasd:VirtualQuantity>512</rasd:VirtualQuantity>
      </Item>
    </VirtualHardwareSection>
  </VirtualSystem>
</Envelope>
"""


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


def text(name: str, disk: str, capacity: int, cpus: int = 1) -> str:
    """The description of a machine with one disk."""
    return _TEMPLATE.format(name=name, disk=disk, capacity=capacity, cpus=cpus)
