"""The files of a lab's folder that belong in its kit, and their way into another folder."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from labctl.errors import KitError, UsageError
from labctl.events import Emit, Notice
from labctl.kit.folder import Kit
from labctl.kit.writer import failed
from labctl.lab.lab import Lab
from labctl.lab.search import STATE_NAME
from labctl.lab.workspace import Workspace
from labctl.messages import msg

FOLDER = "lab"
"""Folder of a kit with the lab's files."""
SPEC = f"{FOLDER}/lab.yaml"

_CODE = ("playbooks", "course", "templates")
_NOT_CARRIED = frozenset({STATE_NAME, ".git", ".vagrant", "__pycache__", ".pytest_cache"})
_SECRET = frozenset({"key", "kit"})
"""Keys of lab.yaml whose files stay here: private keys, and the kit itself."""


def lab_files(lab: Lab, kit: Path) -> Iterator[tuple[str, Path]]:
    """Yield (path in the kit, file) for each file of a lab.

    These are lab.yaml, the lab's own code, and what lab.yaml names below the lab's folder.

    Parameters:
        lab: the lab.
        kit: folder of the kit, which may be below the lab's.

    Raises:
        UsageError: the lab has no lab.yaml.
        KitError: a folder is a link.
    """
    workspace = lab.workspace
    if workspace.spec_file is None:
        raise UsageError(
            "a kit needs a lab.yaml", hint="run `labctl init` to create one in this folder"
        )
    yield SPEC, workspace.spec_file
    seen = {workspace.spec_file}
    places = [workspace.folder / name for name in _CODE]
    places += _named(lab.spec.model_dump(mode="json"), workspace.folder)
    for place in places:
        for file in _files(place, kit):
            if file not in seen:
                seen.add(file)
                yield f"{FOLDER}/{file.relative_to(workspace.folder).as_posix()}", file


def _named(value: Any, folder: Path) -> Iterator[Path]:
    """Yield what values of lab.yaml name below the lab's folder."""
    if isinstance(value, dict):
        for key, item in value.items():
            if key not in _SECRET:
                yield from _named(item, folder)
    elif isinstance(value, list):
        for item in value:
            yield from _named(item, folder)
    elif isinstance(value, str) and value.startswith(folder.as_posix()):
        path = Path(os.path.normpath(value))
        if path.is_relative_to(folder) and path.exists():
            yield path


def _files(place: Path, kit: Path) -> Iterator[Path]:
    """Yield a file, or the files below a folder."""
    if place.is_file():
        yield place
        return
    for above, folders, files in os.walk(place):
        folders[:] = sorted(
            name
            for name in folders
            if name not in _NOT_CARRIED and (Path(above) / name).resolve() != kit.resolve()
        )
        for name in folders:
            if (Path(above) / name).is_symlink():
                raise KitError(
                    msg("{path} is a link; a kit has none", path=Path(above) / name),
                    hint="replace it by a copy of the folder",
                )
        for name in sorted(files):
            if not name.endswith(".pyc"):
                yield Path(above) / name


def unpack(kit: Kit, folder: Path) -> int:
    """Copy a kit's lab into a folder, and return how many files were copied.

    Files that are there and equal stay.

    Raises:
        KitError: the kit has no lab, is damaged, or a file is there with other content.
    """
    listed = (*kit.manifest.files, *kit.manifest.split)
    paths = [path for path in sorted(listed) if path.startswith(f"{FOLDER}/")]
    if SPEC not in paths:
        raise KitError(msg("the kit {folder} contains no lab", folder=kit.folder))
    goals = {path: folder.joinpath(*path.split("/")[1:]) for path in paths}
    # lab.yaml comes last: with it, the folder is a lab.
    order = sorted(paths, key=lambda path: path == SPEC)
    contents = {path: kit.read(path) for path in order if _is_new(kit, path, goals[path])}
    for path, content in contents.items():
        try:
            goals[path].parent.mkdir(parents=True, exist_ok=True)
            with goals[path].open("xb") as file:
                file.write(content)
        except OSError as error:
            raise failed(goals[path], error) from error
    return len(contents)


def take_lab(place: Path, workspace: Workspace, emit: Emit) -> None:
    """Copy a kit's lab into a workspace that has none; no-op for one that has a lab.

    Parameters:
        place: folder of the kit.
        workspace: takes the lab.
        emit: takes a notice.

    Raises:
        KitError: the kit cannot be read, or a file is in the way.
        UsageError: the folder cannot become a lab.
    """
    if workspace.is_lab:
        return
    workspace.expect_own()
    kit = Kit.open(place)
    emit(Notice("", msg("kit with the digest {digest}", digest=kit.digest)))
    count = unpack(kit, workspace.folder)
    emit(Notice("", msg("{count} files of the lab are copied from the kit", count=count)))


def _is_new(kit: Kit, path: str, goal: Path) -> bool:
    """Return whether a file must be written.

    Raises:
        KitError: another one is there.
    """
    if not os.path.lexists(goal):
        return True
    if goal.is_file() and not goal.is_symlink() and goal.read_bytes() == kit.read(path):
        return False
    raise KitError(
        msg("{path} exists and is not the kit's", path=goal),
        hint="change to an empty folder and run the same command there",
    )
