"""Make a box of a provisioned node, so that the next lab starts with everything installed.

The node is shut down, its disk is copied, and it is started again. Everything else happens on the
copy, so whatever ends labctl, the node has lost nothing (ADR 25).
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from labctl.errors import ChecksFailed, MachineError, UsageError
from labctl.events import Phase, PhaseEntered
from labctl.lab import box_secrets, copies
from labctl.lab.actions.node_run import ProvisionOptions, failing
from labctl.lab.actions.up import up
from labctl.lab.boot import prepare, started
from labctl.lab.class_images import class_images
from labctl.lab.lab import Lab
from labctl.lab.seal import seal
from labctl.machines import box
from labctl.machines.base import Machines
from labctl.machines.box import Box, Progress
from labctl.machines.clone import MB, Clone, require_space
from labctl.messages import msg
from labctl.parallel import each
from labctl.provision.resources.base import shell_script
from labctl.remote.connection import Connection
from labctl.storage import read_script

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")
_EVERY = 5.0
"""Seconds between two reports of progress."""

_MARGIN = 1.2
"""Space for a copy, as a multiple of what the node's files take."""


@dataclass(frozen=True, slots=True)
class Baked:
    """A box that was made of a node.

    Parameters:
        box: the box, which Vagrant has now.
        digest: the SHA-256 of its content, which its version is made of.
        size: its bytes.
    """

    box: Box
    digest: str
    size: int


def bake(lab: Lab, node: str | None = None, name: str | None = None) -> Baked:
    """Make a box of a node and add it to Vagrant; the node goes on as before.

    Parameters:
        lab: the lab.
        node: the node's name; None: the first one.
        name: the box's name; None: the lab's, with ``-baked``.

    Raises:
        UsageError: the node cannot be baked, or the name cannot be used; nothing was touched.
        LabctlError: the node could not be provisioned, or the box could not be made.
    """
    node = lab.node(node).name if node else lab.node_names[0]
    name = f"{lab.name}-baked" if name is None else name
    check(lab, node, name)
    (run,) = up(lab, [node], ProvisionOptions())
    if run.error:
        raise run.error
    if run.value and run.value.report and run.value.report.failed:
        raise ChecksFailed(
            msg("{count} checks failed", count=len(run.value.report.failed)),
            node=node,
            hint=msg("`labctl verify {node}` shows them; fix them, then bake again", node=node),
        )
    with lab.state.locked("bake"):
        machines = lab.machines()
        prepare(lab, machines)

        def work(_: str) -> Baked:
            with failing(lab, node):
                _pull(lab, node)
                return _bake(lab, machines, node, name)

        (result,) = each([node], work, cap=1, stop=lab.stop)
    if result.error:
        raise result.error
    assert result.value is not None
    return result.value


def check(lab: Lab, node: str, name: str) -> None:
    """Check that a node can become a box of that name; nothing is touched.

    Raises:
        UsageError: it cannot.
    """
    if not lab.uses_vagrant:
        raise UsageError(
            msg("{node} is an existing machine, which labctl cannot copy", node=node),
            hint=msg("only machines that labctl created can become a box"),
        )
    if not _NAME.fullmatch(name):
        raise UsageError(
            msg("invalid box name '{name}'", name=name),
            hint=msg("use letters, digits, '.', '_' and '-', such as docker-course"),
        )
    if box.installed(name):
        raise UsageError(
            msg("the box '{name}' already exists", name=name),
            hint=msg(
                "choose another name with --as, or run `vagrant box remove {name}` first", name=name
            ),
        )
    copies.expect_copies(lab)


def _pull(lab: Lab, node: str) -> None:
    """Pull the images of the class that the node does not have."""
    images = class_images(lab)
    with lab.supply, lab.connection(node) as connection:
        here = connection.run("docker version >/dev/null 2>&1 && echo yes || :").strip()
        for index, image in enumerate(images if here else ()):
            note = msg("image {index} of {count}", index=index + 1, count=len(images))
            lab.emit(PhaseEntered(node, Phase.PULLING, note))
            words = {"local": image.local, "source": image.source}
            said: list[bytes] = []
            script = shell_script(__file__, "image_pull.sh", **words)
            if connection.stream(script, said.append, said.append, root=True):
                raise MachineError(
                    msg("{image} cannot be pulled", image=image.source),
                    node=node,
                    hint=msg("name an image that can be pulled in images.toml or lab.yaml"),
                    details=b"".join(said).decode("utf-8", "replace")[-2000:],
                )


def _bake(lab: Lab, machines: Machines, node: str, name: str) -> Baked:
    clone = copies.clone_of(lab, node)
    require(lab, clone)
    with copies.kept(lab, clone) as folder:
        copy_node(lab, machines, clone)
        content = image_of(lab, clone, folder, keep=False)
        digest = box.digest_of(content, reporter(lab, node, Phase.PACKING))
        made = Box(name, box.version_of(digest), clone.machine.provider, content)
        size = made.size
        lab.emit(PhaseEntered(node, Phase.ADDING, msg("{size} MB", size=size // MB)))
        added = copies.add(lab, machines, made, folder / f"{name}.box")
    lab.emit(PhaseEntered(node, Phase.DONE))
    return Baked(added, digest, size)


def require(lab: Lab, clone: Clone) -> None:
    """Check that a running node can be copied, and that there is room for it.

    Raises:
        UsageError: it cannot, or there is not.
    """
    with lab.connection(clone.machine.node) as connection:
        used = int(connection.run(read_script(__file__, "used.sh"))) * 1024
    clone.check(int(used * _MARGIN))
    # The copy here, the box, and the box as Vagrant downloads and unpacks it.
    require_space(lab.workspace.state, int(used * _MARGIN * 2))
    home = box.home()
    home.mkdir(parents=True, exist_ok=True)
    require_space(home, int(used * _MARGIN))


def copy_node(lab: Lab, machines: Machines, clone: Clone, *, again: bool = True) -> None:
    """Copy a node that is shut down for as long as that takes.

    Parameters:
        lab: the lab.
        machines: the lab's.
        clone: the copy.
        again: start the node afterwards, also after an error.
    """
    node = clone.machine.node
    lab.emit(PhaseEntered(node, Phase.HALTING))
    machines.halt(node, emit=lab.emit)
    try:
        lab.emit(PhaseEntered(node, Phase.COPYING))
        clone.create(reporter(lab, node, Phase.COPYING))
    finally:
        if again:
            lab.emit(PhaseEntered(node, Phase.BOOTING))
            with started(lab, machines, node):
                machines.up(node, emit=lab.emit, booting=lambda: None)


def image_of(lab: Lab, clone: Clone, folder: Path, *, keep: bool) -> Path:
    """Seal a copy, and return a folder with the files of a box that are made of it.

    Parameters:
        lab: the lab.
        clone: the copy, which exists.
        folder: for files of the copy.
        keep: keep containers, volumes and networks.

    Raises:
        MachineError: the copy could not be sealed, or holds secrets of the lab.
    """
    node, machine = clone.machine.node, clone.machine
    lab.emit(PhaseEntered(node, Phase.SEALING))
    target = clone.start()
    with Connection(
        target, lab.hostkeys, passwords=lab.passwords, patience=lab.spec.boot_timeout
    ) as connection:
        lab.stop.add(connection.end)
        seal(connection, lab.workspace.playbooks, keep=keep, progress=_said(lab, node))
    clone.wait_off()
    lab.emit(PhaseEntered(node, Phase.PACKING))
    told = reporter(lab, node, Phase.PACKING)
    disk = clone.disk(folder, told)
    secrets = box_secrets.needles([lab.workspace.private, machine.folder])
    if leaked := box_secrets.found_in(disk, secrets, told):
        raise MachineError(
            msg("secrets of the lab would be in the box: {names}", names=", ".join(leaked)),
            node=node,
            hint=msg("remove the files with them from the node; see docs/security.md"),
        )
    content = folder / "box"
    content.mkdir()
    clone.pack(disk, content, told)
    if disk.is_relative_to(folder):
        disk.unlink()
    return content


def reporter(lab: Lab, node: str, phase: Phase) -> Progress:
    """Return what reports the progress of a phase, now and then."""
    last = 0.0

    def progress(done: int, size: int) -> None:
        nonlocal last
        if time.monotonic() - last >= _EVERY:
            last = time.monotonic()
            note = msg("{done} of {size} MB", done=done // MB, size=size // MB)
            lab.emit(PhaseEntered(node, phase, note))

    return progress


def _said(lab: Lab, node: str) -> Callable[[str], object]:
    """Return what reports the lines that the sealing scripts print."""
    last = 0.0

    def said(line: str) -> None:
        nonlocal last
        verb, _, what = line.partition(" ")
        if verb == "sealing":
            lab.emit(PhaseEntered(node, Phase.SEALING, what))
        elif verb == "wiped" and time.monotonic() - last >= _EVERY:
            last = time.monotonic()
            note = msg("{size} MB of free space overwritten", size=what)
            lab.emit(PhaseEntered(node, Phase.SEALING, note))

    return said
