"""Hand a checkpoint to somebody else: write it to a file, and make boxes of such a file.

A file holds the disks of the nodes as they were, sealed like a box (`labctl.lab.seal`), but with
their containers, volumes and networks. It holds no memory: the lab's secrets are in it.
"""

from __future__ import annotations

import contextlib
import json
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from labctl.errors import MachineError, UsageError
from labctl.events import Phase, PhaseEntered
from labctl.lab import checkpoint_file, copies
from labctl.lab.actions.bake import copy_node, image_of, reporter, require
from labctl.lab.boot import prepare, present, started
from labctl.lab.checkpoint_file import Manifest
from labctl.lab.lab import Lab
from labctl.machines import box
from labctl.machines.base import Machines, MachineState
from labctl.machines.box import Box
from labctl.machines.clone import Clone, require_space
from labctl.messages import msg
from labctl.parallel import each

_PROVIDER = "libvirt"
"""Only its disks can be checked before they are used, so only they are handed on."""

_GIB = 1 << 30

_VAGRANTFILE = 'Vagrant.configure("2") { |config| }\n'
"""A stranger's Vagrantfile would be a program, so a file brings none."""


@dataclass(frozen=True, slots=True)
class Exported:
    """A file that was written.

    Parameters:
        path: the file.
        size: its bytes.
        sha256: its SHA-256, for whoever gets it to compare.
        nodes: the nodes whose disks it holds.
    """

    path: Path
    size: int
    sha256: str
    nodes: tuple[str, ...]


def export(lab: Lab, name: str, path: Path, limit: Iterable[str] = ()) -> Exported:
    """Write a checkpoint of nodes to a file; the nodes go on where they were.

    Parameters:
        lab: the lab.
        name: the checkpoint's name.
        path: the file, which must not exist.
        limit: names or patterns of nodes; none: all.

    Raises:
        UsageError: it cannot be written; nothing was touched.
        LabctlError: a step failed; there is no file.
    """
    nodes = lab.select(limit)
    _check_lab(lab)
    if path.exists() or not path.parent.is_dir():
        raise UsageError(
            msg("{path} exists", path=path)
            if path.exists()
            else msg("there is no folder {folder}", folder=path.parent),
            hint=msg("name a file that does not exist, in a folder that does"),
        )
    with lab.state.locked("checkpoint export"):
        machines = lab.machines()
        copies.remove_left(lab)
        states = prepare(lab, machines)
        for node in nodes:
            _expect(machines, states, node, name)

        def work(_: str) -> Exported:
            with contextlib.ExitStack() as stack:
                images = {
                    node: _image(lab, machines, node, name, states[node], stack) for node in nodes
                }
                lab.emit(PhaseEntered(nodes[0], Phase.PACKING))
                told = reporter(lab, nodes[0], Phase.PACKING)
                require_space(path.parent, sum(image.stat().st_size for image in images.values()))
                digest = checkpoint_file.write(path, name, images, told)
            for node in nodes:
                lab.emit(PhaseEntered(node, Phase.DONE))
            return Exported(path, path.stat().st_size, digest, tuple(nodes))

        (result,) = each([nodes[0]], work, cap=1, stop=lab.stop)
    if result.error:
        raise result.error
    assert result.value is not None
    return result.value


def import_(lab: Lab, path: Path, sha256: str = "") -> tuple[Manifest, Mapping[str, Box]]:
    """Make a box of each disk of a file, and add the boxes to Vagrant.

    Parameters:
        lab: the lab, whose machines are not touched.
        path: the file.
        sha256: its SHA-256, as the sender told it; empty: not compared.

    Returns:
        What the file holds, and the box for each node, named ``CHECKPOINT-NODE``.

    Raises:
        UsageError: the file cannot be used, or a box of such a name exists.
        MachineError: Vagrant refuses a box.
    """
    _check_lab(lab)
    if sha256 and checkpoint_file.sha256_of(path) != sha256.lower():
        raise UsageError(
            msg("{path} cannot be used: {why}", path=path, why=msg("its SHA-256 differs")),
            hint=msg("compare its SHA-256 with the sender, and copy it again"),
        )
    about = checkpoint_file.manifest(path)
    names = {disk.node: f"{about.checkpoint}-{disk.node}" for disk in about.disks}
    for name in names.values():
        if box.installed(name):
            raise UsageError(
                msg("the box '{name}' already exists", name=name),
                hint=msg("run `vagrant box remove {name}` to import it again", name=name),
            )
    home = box.home()
    home.mkdir(parents=True, exist_ok=True)
    size = sum(disk.bytes for disk in about.disks)
    with lab.state.locked("checkpoint import"), copies.scratch(lab, "import") as folder:
        require_space(folder, 2 * size)
        require_space(home, 2 * size)
        told = reporter(lab, "", Phase.PACKING)
        images = checkpoint_file.extract(path, folder, told)
        machines = lab.machines()
        return about, {
            node: _box(lab, machines, names[node], image, folder / f"{node}.box")
            for node, image in images.items()
        }


def _check_lab(lab: Lab) -> None:
    if not lab.uses_vagrant:
        raise UsageError(
            "labctl does not save existing machines",
            hint=msg("only machines that labctl created have checkpoints"),
        )
    if lab.provider != _PROVIDER:
        raise UsageError(
            msg("labctl cannot hand on checkpoints of {provider}", provider=lab.provider),
            hint=msg("make a box of the node with `labctl bake`"),
        )


def _expect(machines: Machines, states: Mapping[str, MachineState], node: str, name: str) -> None:
    """Check that a node has the checkpoint and is in a state that can be put back."""
    if node not in present(dict(states)):
        raise MachineError(
            "was never brought up", node=node, hint="bring the lab up with `labctl up`"
        )
    if states[node] is MachineState.SUSPENDED:
        raise UsageError(msg("is suspended"), node=node, hint="run `labctl resume` first")
    known = machines.checkpoints(node)
    if copies.BEFORE in known:
        raise UsageError(
            msg("an export of this node was interrupted"),
            node=node,
            hint=msg(
                "`labctl checkpoint restore {name}` brings the node back to where it was then; "
                "`labctl checkpoint delete {name}` keeps it where it is",
                name=copies.BEFORE,
            ),
        )
    if name not in known:
        raise UsageError(
            msg("unknown checkpoint '{name}'", name=name),
            node=node,
            hint=msg("available: {names}", names=", ".join(known))
            if known
            else "the node has no checkpoints",
        )


def _image(
    lab: Lab,
    machines: Machines,
    node: str,
    name: str,
    state: MachineState,
    stack: contextlib.ExitStack,
) -> Path:
    """Return the sealed disk of a node as it was at a checkpoint."""
    clone = copies.clone_of(lab, node)
    folder = stack.enter_context(copies.kept(lab, clone))
    with _at(lab, machines, clone, name, running=state is MachineState.RUNNING):
        require(lab, clone)
        copy_node(lab, machines, clone, again=False)
    return image_of(lab, clone, folder, keep=True) / "box.img"


@contextlib.contextmanager
def _at(lab: Lab, machines: Machines, clone: Clone, name: str, *, running: bool) -> Iterator[None]:
    """Have a node at a checkpoint, and then where it was; that is a checkpoint meanwhile."""
    node = clone.machine.node
    lab.emit(PhaseEntered(node, Phase.SAVING))
    machines.save(node, copies.BEFORE, emit=lab.emit)
    copies.note(clone, copies.BEFORE)
    try:
        lab.emit(PhaseEntered(node, Phase.RESTORING, name))
        with started(lab, machines, node):
            machines.restore(node, name, emit=lab.emit)
        yield
    finally:
        lab.emit(PhaseEntered(node, Phase.RESTORING))
        with started(lab, machines, node):
            machines.restore(node, copies.BEFORE, emit=lab.emit)
        copies.note(clone)
        machines.drop(node, copies.BEFORE, emit=lab.emit)
        if not running:
            machines.halt(node, emit=lab.emit)


def _box(lab: Lab, machines: Machines, name: str, image: Path, file: Path) -> Box:
    """Make a box of a checked disk; of the file's sender it has the disk alone."""
    folder = file.with_suffix("")
    folder.mkdir()
    metadata = {
        "provider": _PROVIDER,
        "format": "qcow2",
        "virtual_size": math.ceil(checkpoint_file.virtual_size(image) / _GIB),
    }
    (folder / "metadata.json").write_text(json.dumps(metadata) + "\n", "utf-8")
    (folder / "Vagrantfile").write_text(_VAGRANTFILE, "utf-8")
    image.rename(folder / "box.img")
    made = Box(name, box.version_of(box.digest_of(folder)), _PROVIDER, folder)
    return copies.add(lab, machines, made, file)
