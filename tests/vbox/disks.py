"""Disks by themselves: `clonemedium`, `modifymedium`, `storageattach`, `closemedium`.

Vagrant makes a machine's disk larger with these: VirtualBox cannot resize a VMDK, so it is cloned
to a VDI, that one is resized, and a clone of it takes the VMDK's place.
"""

from __future__ import annotations

from pathlib import Path

from tests.vbox import media
from tests.vbox.double import Double
from tests.vbox.errors import NOT_FOUND, NOT_SUPPORTED, BadSyntax, NotInDouble, Refused
from tests.vbox.machine import Machine, new_uuid
from tests.vbox.options import parse

_ATTACH = {
    "--storagectl": True, "--port": True, "--device": True, "--type": True, "--medium": True,
    "--comment": True,
}  # fmt: skip


def clonemedium(double: Double, arguments: list[str]) -> None:
    """`clonemedium [disk] FILE|UUID TARGET [--format VDI|VMDK|VHD]`.

    A clone of an overlay lies over the same base.
    """
    parsed = parse(arguments, {"--format": True})
    words = parsed.words[1:] if parsed.words[:1] == ["disk"] else parsed.words
    if len(words) != 2:
        raise BadSyntax("clonemedium: a source and a target")
    kind = parsed.get("--format", "VDI")
    media.require_format(kind)
    if Path(words[1]).exists():
        raise Refused(f"Cannot create the medium '{words[1]}' (VERR_ALREADY_EXISTS)")
    media.copy(_file(double, words[0]), Path(words[1]))
    double.say(f"Clone medium created in format '{kind}'. UUID: {new_uuid()}")


def modifymedium(double: Double, arguments: list[str]) -> None:
    """`modifymedium [disk] FILE|UUID --resize MEGABYTES|--resizebyte BYTES`."""
    parsed = parse(arguments, {"--resize": True, "--resizebyte": True})
    words = parsed.words[1:] if parsed.words[:1] == ["disk"] else parsed.words
    if len(words) != 1 or len(parsed.values) != 1:
        raise BadSyntax("modifymedium: a disk and its size")
    megabytes = parsed.get("--resize")
    size = int(megabytes) << 20 if megabytes else int(parsed.one("--resizebyte"))
    disk = _file(double, words[0])
    if disk.suffix == ".vmdk":
        raise Refused("A medium of this format cannot be resized", NOT_SUPPORTED)
    if size < media.info(disk)["virtual-size"]:
        raise Refused("A medium cannot be made smaller", NOT_SUPPORTED)
    media.resize(disk, size)


def storageattach(double: Double, arguments: list[str]) -> None:
    """`storageattach VM --storagectl NAME --port 0 --device 0 --medium FILE|none`."""
    parsed = parse(arguments, _ATTACH, words=1)
    if (parsed.one("--port"), parsed.one("--device")) != ("0", "0"):
        raise NotInDouble("a second disk of a machine")
    medium = parsed.one("--medium")
    with double.registry.changing(parsed.words[0]) as machine:
        double.require_off(machine)
        if medium == "none":
            machine.attached = False
            return
        if Path(medium) != double.disk(machine):
            raise NotInDouble("a disk with another name than the machine's own")
        if not Path(medium).is_file():
            raise _missing(medium)
        machine.attached, machine.disk_uuid = True, new_uuid()


def closemedium(double: Double, arguments: list[str]) -> None:
    """`closemedium [disk] FILE|UUID --delete`; a file that is gone already is no failure."""
    parsed = parse(arguments, {"--delete": False})
    words = parsed.words[1:] if parsed.words[:1] == ["disk"] else parsed.words
    if len(words) != 1 or not parsed.has("--delete"):
        raise NotInDouble("closemedium that keeps the file")
    owner = _owner(double, words[0])
    if owner is None:
        disk = Path(words[0])
        if not disk.is_file():
            raise _missing(words[0])
        disk.unlink()
        return
    if owner.attached:
        raise Refused(f"Cannot close medium '{words[0]}' because it is attached to a machine")
    double.registry.require_no_clones(owner)
    double.disk(owner).unlink(missing_ok=True)


def _owner(double: Double, key: str) -> Machine | None:
    """The machine whose disk has a UUID or a path."""
    owners = {key: m for m in double.registry.all() for key in (m.disk_uuid, str(double.disk(m)))}
    return owners.get(key)


def _file(double: Double, key: str) -> Path:
    """The file of a disk, by its path or its UUID; its machine must be off."""
    owner = _owner(double, key)
    if owner is not None:
        double.require_off(owner)
    file = double.disk(owner) if owner else Path(key)
    if not file.is_file():
        raise _missing(key)
    return file


def _missing(name: str) -> Refused:
    return Refused(f"Could not find file for the medium '{name}' (VERR_FILE_NOT_FOUND)", NOT_FOUND)
