"""Make on a libvirt host what its students' machines need, before Vagrant makes the machines.

Many Vagrants at once race for these: two choose the same bridge, and one boots from a box that
another is still uploading. So labctl makes them first, once for each host, under a lock.
"""

from __future__ import annotations

import contextlib
import hashlib
import re
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from labctl.errors import MachineError
from labctl.lab import user_folder
from labctl.machines.box_volume import BoxVolume
from labctl.machines.libvirt_host import LibvirtHost
from labctl.machines.site import POOL, Site
from labctl.messages import msg
from labctl.storage import exclusive

_PATIENCE = 1800.0
"""Seconds to wait for another labctl of this user that prepares the same host."""

_FOLDER = "/var/lib/libvirt/images"
_SLOWEST = 1_000_000
"""Bytes a second: a slower upload of a box is given up."""

_NETWORKS = 256


@contextlib.contextmanager
def reserved(host: LibvirtHost) -> Iterator[None]:
    """Keep other labctl processes of this user from preparing a host.

    Raises:
        MachineError: one of them took too long.
    """
    folder = user_folder.user_folder()
    user_folder.make(folder)
    name = hashlib.sha256(host.uri.encode()).hexdigest()[:16]
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(exclusive(folder / f"host-{name}.lock", _PATIENCE))
        except TimeoutError:
            raise host.lost(msg("another labctl prepares it")) from None
        yield


@dataclass(frozen=True, slots=True)
class Found:
    """What a host has.

    Parameters:
        networks: libvirt's XML of each network, by its name.
        active: names of the networks that run.
        volumes: names of the volumes in the pool.
    """

    networks: dict[str, str]
    active: frozenset[str]
    volumes: frozenset[str]


def survey(host: LibvirtHost) -> Found:
    """Return what a host has; its storage pool is made and started if it does not run.

    Raises:
        MachineError: the host does not answer, or cannot start its pool.
    """
    pools, running, names, active, volumes = host.ask(
        "pool-list --all --name",
        "pool-list --name",
        "net-list --all --name",
        "net-list --name",
        f"vol-list {POOL}",
    )
    if POOL not in running.split():
        new = [f"pool-define-as {POOL} dir --target {_FOLDER}", f"pool-build {POOL}"]
        commands = [] if POOL in pools.split() else new
        host.virsh([*commands, f"pool-autostart {POOL}", f"pool-start {POOL}"])
        (volumes,) = host.ask(f"vol-list {POOL}")
    there = names.split()
    dumped = host.ask(*(f"net-dumpxml {name}" for name in there)) if there else []
    return Found(
        dict(zip(there, dumped, strict=True)),
        frozenset(active.split()),
        frozenset(line.split()[0] for line in volumes.splitlines() if line.strip()),
    )


def number_networks(
    host: LibvirtHost, found: Found, wanted: Mapping[str, int], lab_of: Mapping[str, str]
) -> dict[str, int]:
    """Return a number of a management network that is free on a host, for each student.

    Parameters:
        host: the host, reserved.
        found: what it has.
        wanted: the number of each student so far, by id; -1: none.
        lab_of: the name of each student's lab, by id.

    Raises:
        MachineError: the host has no free number.
    """
    taken = {
        int(number): name
        for name, text in found.networks.items()
        for number in re.findall(r"<ip address='10\.201\.(\d+)\.\d+'", text)
    }
    of_name = {name: number for number, name in taken.items()}
    free = iter(n for n in range(_NETWORKS) if n not in taken and n not in wanted.values())
    numbers: dict[str, int] = {}
    for student, number in wanted.items():
        own = of_name.get(f"{lab_of[student]}-mgmt")
        if own is not None:
            numbers[student] = own
        elif number >= 0 and number not in taken:
            numbers[student] = number
        else:
            numbers[student] = next(free, -1)
            if numbers[student] < 0:
                raise host.lost(msg("all networks in 10.201.0.0/16 are used"))
    return numbers


def make_networks(host: LibvirtHost, found: Found, sites: Sequence[Site]) -> None:
    """Make the students' networks that a host lacks; those that exist are started.

    Raises:
        MachineError: the host did not start one of them.
    """
    wanted = {name: text for site in sites for name, text in site.definitions().items()}
    if wanted.keys() <= found.active:
        return
    with tempfile.TemporaryDirectory(prefix="labctl-") as folder:
        commands: list[str] = []
        for number, (name, text) in enumerate(wanted.items()):
            if name not in found.networks:
                file = Path(folder) / f"{number}.xml"
                file.write_text(text, "utf-8")
                commands += [f"net-define {file}", f"net-autostart {name}"]
            if name not in found.active:
                commands.append(f"net-start {name}")
        (active,) = host.ask(
            "; ".join([*commands, "net-list --name"]), timeout=60.0 + 5 * len(wanted)
        )
    missing = wanted.keys() - set(active.split())
    if missing:
        raise host.lost(
            msg("libvirt did not start the networks {names}", names=", ".join(sorted(missing)))
        )


def remove_networks(host: LibvirtHost, sites: Sequence[Site]) -> None:
    """Remove the networks of students who have no machines any more."""
    names = [name for site in sites for name in (site.management, site.network)]
    there = host.ask("net-list --all --name")[0].split()
    commands = [f"{verb} {name}" for name in names if name in there
                for verb in ("net-destroy", "net-undefine")]  # fmt: skip
    if commands:
        host.virsh([*commands, "echo"])


def remove_machines(host: LibvirtHost, site: Site) -> None:
    """Remove every machine of the class in a student's place on a host, and their disks."""
    names = host.virsh(["list --all --name", "echo"]).split()
    mine = [name for name in names if name.startswith(site.domain(""))]
    for name in mine:
        if host.virsh([f"desc {name}"]).strip() != site.owner:
            continue
        if site.network not in host.virsh([f"domiflist {name}"]):
            continue  # of a student whose id begins like this one's
        host.virsh(
            [
                f"destroy {name}",
                f"undefine {name} --managed-save --snapshots-metadata --nvram",
                f"vol-delete {name}.img --pool {POOL}",
                "echo",
            ]
        )


def send_box(host: LibvirtHost, found: Found, box: BoxVolume, digest: str) -> bool:
    """Upload the disk of a box to a host that lacks it; return whether it was uploaded.

    A volume beside it, named by the digest, marks a complete upload.

    Raises:
        MachineError: the upload failed, or the host has another box of the same name and version.
    """
    mark = f"{box.name}.{digest[:16]}"
    volumes = found.volumes
    size = box.path.stat().st_size
    if box.name in volumes:
        if mark in volumes:
            return False
        described = host.virsh([f"vol-dumpxml {box.name} --pool {POOL}"])
        path = re.search(r"<path>(.*?)</path>", described)
        physical = re.search(r"<physical unit='bytes'>(\d+)<", described)
        other = any(name.startswith(f"{box.name}.") for name in volumes)
        if physical is not None and int(physical[1]) == size and not other:
            return False  # Vagrant uploaded it
        rest = [f"vol-dumpxml {name} --pool {POOL}" for name in sorted(volumes)]
        if path is None or f"<path>{path[1]}</path>" in "".join(
            re.findall(r"<backingStore>.*?</backingStore>", host.virsh(rest), re.DOTALL)
        ):
            raise MachineError(
                msg(
                    "host {host} has another box under the name {volume}, and machines use it",
                    host=host.name,
                    volume=box.name,
                ),
                hint="give the box in lab.yaml another version, or destroy those machines",
            )
        stale = [name for name in volumes if name.startswith(box.name)]
        host.virsh([*(f"vol-delete {name} --pool {POOL}" for name in stale), "echo"])
    try:
        host.virsh(
            [
                f"vol-create-as {POOL} {box.name} {box.virtual_gib}GiB --format qcow2 "
                "--allocation 0",
                f"vol-upload {box.name} {box.path} --pool {POOL}",
                f"pool-refresh {POOL}",
            ],
            timeout=60.0 + size / _SLOWEST,
        )
        described = host.virsh([f"vol-dumpxml {box.name} --pool {POOL}"])
        if f"<physical unit='bytes'>{size}<" not in described:
            raise host.lost(msg("the upload of the box was cut off"))
        host.virsh([f"vol-create-as {POOL} {mark} 1"])
    except BaseException:
        with contextlib.suppress(MachineError):
            host.virsh([f"vol-delete {name} --pool {POOL}" for name in (mark, box.name)])
        raise
    return True
