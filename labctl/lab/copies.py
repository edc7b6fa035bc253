"""Throw-away copies of nodes: where their files are, and what a killed labctl left of them."""

from __future__ import annotations

import contextlib
import json
import shutil
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from labctl.errors import LabctlError, MachineError, UsageError
from labctl.events import Notice
from labctl.lab.lab import Lab
from labctl.machines import providers
from labctl.machines.base import Machines
from labctl.machines.box import Box, find, home
from labctl.machines.box import write as write_box
from labctl.machines.clone import Clone, Machine, vagrant_folder
from labctl.messages import msg
from labctl.parallel import Stop
from labctl.remote.target import Target
from labctl.storage import build, read_json, write

_ORIGIN = "of.json"
"""In the folder of a copy: the machine that it is of."""

BEFORE = "labctl-before-export"
"""The checkpoint of a node while another one of its is exported."""


@dataclass(frozen=True, slots=True)
class _Origin:
    """The machine that a copy is of.

    Parameters:
        provider: its provider.
        id: the provider's id of it.
        checkpoint: that brings it back to where it was; empty: it is there.
    """

    provider: str
    id: str
    checkpoint: str = ""


def expect_copies(lab: Lab) -> None:
    """Check that the lab's provider can copy machines.

    Raises:
        UsageError: it cannot.
    """
    machine = Machine("", "", lab.workspace.state, lab.provider, Target("", ""), 0)
    _clone(machine, lab.stop)


def clone_of(lab: Lab, node: str) -> Clone:
    """Return the throw-away copy of a node, which does not exist yet.

    Raises:
        UsageError: the lab's provider has no such copies.
        MachineError: the node does not exist.
    """
    root, provider, target = lab.workspace.state, lab.state.provider(), lab.target(node)
    try:
        found = (vagrant_folder(root, node, provider) / "id").read_text("utf-8").strip()
    except OSError as error:
        raise MachineError(
            "was never brought up", node=node, hint="bring the lab up with `labctl up`"
        ) from error
    machine = Machine(node, found, root, provider, target, float(lab.spec.boot_timeout))
    return _clone(machine, lab.stop)


@contextlib.contextmanager
def kept(lab: Lab, clone: Clone) -> Iterator[Path]:
    """Return a folder for the files of a copy; remove the copy and the folder in the end."""
    folder = clone.machine.copies
    note(clone)
    try:
        yield folder
    finally:
        try:
            clone.remove()
        except LabctlError as error:  # the next run removes it
            lab.emit(Notice(clone.machine.node, error.message))
        else:
            _forget(lab, folder)


def note(clone: Clone, checkpoint: str = "") -> None:
    """Record a copy, in case labctl is killed before it removes it.

    Parameters:
        clone: the copy.
        checkpoint: that has to be restored on the machine to bring it back to where it was.
    """
    folder = clone.machine.copies
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    origin = _Origin(clone.machine.provider, clone.machine.id, checkpoint)
    write(folder / _ORIGIN, json.dumps(asdict(origin)) + "\n")


@contextlib.contextmanager
def scratch(lab: Lab, name: str) -> Iterator[Path]:
    """Return an empty folder that is removed in the end, or by the next run."""
    folder = lab.workspace.copies / name
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        yield folder
    finally:
        _forget(lab, folder)


def remove_left(lab: Lab) -> None:
    """Remove the copies that a killed labctl left behind. The lab must be locked.

    Raises:
        LabctlError: one cannot be removed.
    """
    if not lab.workspace.copies.is_dir():
        return
    for folder in sorted(lab.workspace.copies.iterdir()):
        node = folder.name
        lab.emit(Notice(node, msg("removing the copy that an earlier labctl left behind")))
        with contextlib.suppress(FileNotFoundError, ValueError):  # killed before it had one
            of = build(_Origin, read_json(folder / _ORIGIN))
            root, target = lab.workspace.state, Target(node, "")
            _clone(Machine(node, of.id, root, of.provider, target, 0), Stop()).remove()
            if of.checkpoint:
                lab.emit(
                    Notice(
                        node,
                        msg(
                            "was left at another checkpoint; `labctl checkpoint restore {name} "
                            "--limit {node}` brings it back to where it was",
                            name=of.checkpoint,
                            node=node,
                        ),
                    )
                )
        _forget(lab, folder)


def add(lab: Lab, machines: Machines, made: Box, file: Path) -> Box:
    """Add a box to Vagrant, with its version, and return it as Vagrant has it.

    Parameters:
        lab: the lab.
        machines: calls Vagrant.
        made: the box; its folder is removed when it is in the file.
        file: a place for the box as a file.

    Raises:
        MachineError: Vagrant refuses it, or has something else afterwards.
    """
    written = write_box(made, file)
    digest = made.digest
    shutil.rmtree(made.folder)
    provider = {
        "name": made.provider,
        "url": file.as_uri(),
        "checksum_type": "sha256",
        "checksum": written.sha256,
    }
    # Vagrant takes a version from a catalogue only.
    catalogue = file.with_suffix(".json")
    versions = [{"version": made.version, "providers": [provider]}]
    catalogue.write_text(json.dumps({"name": made.name, "versions": versions}), "utf-8")
    machines.add_box(made.name, catalogue, emit=lab.emit)
    # It would look there for newer versions, and the catalogue is only for this moment.
    (home() / "boxes" / made.name / "metadata_url").unlink(missing_ok=True)
    file.unlink()
    added = find(made.name, made.provider, made.version)
    if added is None or added.digest != digest:
        raise MachineError(msg("Vagrant does not have the box {name}", name=made.name))
    return added


def _clone(machine: Machine, stop: Stop) -> Clone:
    clone = providers.get(machine.provider).clone(machine, stop)
    if clone is None:
        raise UsageError(
            msg("labctl cannot copy machines of {provider}", provider=machine.provider),
            hint=msg("use libvirt or VirtualBox"),
        )
    return clone


def _forget(lab: Lab, folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    with contextlib.suppress(OSError):  # another node's copy is there
        lab.workspace.copies.rmdir()
