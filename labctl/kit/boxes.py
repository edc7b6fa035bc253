"""Vagrant boxes of a kit: from Vagrant into the kit, and from the kit into Vagrant."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterable
from pathlib import Path

from labctl.errors import KitError, MachineError
from labctl.kit.folder import Kit
from labctl.kit.manifest import Box
from labctl.kit.writer import KitWriter, failed
from labctl.machines import box as vagrant_boxes
from labctl.machines.vagrant_program import environment, find_vagrant
from labctl.messages import msg

FOLDER = "boxes"


def collect(
    kit: KitWriter,
    wanted: Iterable[tuple[str, str | None]],
    provider: str,
    progress: Callable[[str], object] = lambda name: None,
) -> None:
    """Put boxes that Vagrant has into a kit.

    Parameters:
        kit: takes them.
        wanted: name and version of each; None: the newest.
        provider: of the lab. Boxes that Vagrant has for other providers come along.
        progress: called with the name of each box.

    Raises:
        KitError: Vagrant does not have a box, or it cannot be written.
    """
    for name, version in wanted:
        ours = vagrant_boxes.find(name, provider, version)
        if ours is None:
            raise KitError(
                msg("Vagrant has no box {name} for {provider}", name=name, provider=provider),
                hint=msg(
                    "bring the lab up once, or run `vagrant box add {name} --provider {provider}`",
                    name=name,
                    provider=provider,
                ),
            )
        others = (one for one in vagrant_boxes.installed(name) if one.version == ours.version)
        for box in {one.provider: one for one in others}.values():
            progress(f"{box.name} {box.version}, {box.provider}")
            plain = "".join(c if c.isalnum() or c in "._-" else "-" for c in box.name)
            path = f"{FOLDER}/{plain}-{box.version}-{box.provider}.box"
            made = kit.folder / "kit.unfinished" / "box"
            written = vagrant_boxes.write(box, made)
            if not kit.keep(path, written.sha256):
                kit.copy(path, made)
            made.unlink(missing_ok=True)
            kit.boxes.append(Box(box.name, box.version, box.provider, path))


def add(kit: Kit, box: Box, folder: Path) -> None:
    """Add a box of a kit to Vagrant, unless Vagrant has it.

    Parameters:
        kit: that has the box.
        box: which one.
        folder: for the time between.

    Raises:
        KitError: the kit's file is damaged, or cannot be copied.
        MachineError: Vagrant does not take it.
    """
    if vagrant_boxes.find(box.name, box.provider, box.version) is not None:
        return
    file, description = folder / "kit.box", folder / "kit-box.json"
    try:
        with file.open("wb") as copy:
            for data in kit.chunks(box.path):
                copy.write(data)
        provider = {"name": box.provider, "url": file.absolute().as_uri()}
        version = {"version": box.version, "providers": [provider]}
        described = {"name": box.name, "versions": [version]}
        description.write_text(json.dumps(described), "utf-8")
        done = subprocess.run(
            [
                *(find_vagrant(), "box", "add", "--provider", box.provider, "--no-tty"),
                str(description),
            ],
            check=False,
            capture_output=True,
            text=True,
            errors="replace",
            env=environment(),
        )
    except OSError as error:
        raise failed(file, error) from error
    finally:
        file.unlink(missing_ok=True)
        description.unlink(missing_ok=True)
    if done.returncode != 0:
        raise MachineError(
            msg("Vagrant does not take the box {name} of the kit", name=box.name),
            hint="free disk space, and run the same command again",
            details=(done.stdout + done.stderr).strip()[-2000:],
        )
