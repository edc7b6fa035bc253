"""Make a lab's kit."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from labctl import __version__
from labctl.config import document
from labctl.config.load import safe_name
from labctl.config.overrides import Override
from labctl.errors import UsageError
from labctl.events import Emit, Notice
from labctl.kit import download, images, readme, rpm_repository, wheels
from labctl.kit.redirect import REPOMD
from labctl.kit.writer import KitWriter
from labctl.lab.kit_contents import FRESH, Contents, contents
from labctl.lab.kit_files import lab_files
from labctl.lab.lab import Lab
from labctl.lab.workspace import Workspace
from labctl.messages import msg

FURTHER = "files"
"""Folder of a kit with the files that the instructor named."""


@dataclass(frozen=True, slots=True)
class KitOptions:
    """How to make a kit.

    Parameters:
        systems: of the computers that labctl is installed on; see `wheels.PLATFORMS`.
        pythons: versions of Python there.
        add: further files and folders.
        limit: bytes of the largest file; None: as the file system has it.
        wheels: put labctl into the kit.
    """

    systems: Sequence[str] = wheels.SYSTEMS
    pythons: Sequence[str] = wheels.PYTHONS
    add: Sequence[Path] = field(default=())
    limit: int | None = None
    wheels: bool = True


@dataclass(frozen=True, slots=True)
class MadeKit:
    """A kit that was made: its folder, its digest, its size, and the bytes that were written."""

    folder: Path
    digest: str
    files: int
    size: int
    written: int


def make(workspace: Workspace, folder: Path, options: KitOptions, emit: Emit) -> MadeKit:
    """Make a kit of everything that a lab needs, or bring one up to date.

    lab.yaml alone counts: whoever uses the kit has no flags of earlier runs, and no machines yet.

    Parameters:
        workspace: of the lab.
        folder: of the kit; new, empty, or an earlier kit.
        options: how to make it.
        emit: takes notices about the progress.

    Raises:
        UsageError: the lab or a file to add does not exist; nothing was written.
        KitError: something cannot be downloaded or written. A second run resumes.
    """
    for path in options.add:
        if not path.exists():
            raise UsageError(msg("{path}: no such file or folder", path=path))

    def tell(what: str) -> None:
        emit(Notice("", what))

    with tempfile.TemporaryDirectory() as state:
        fresh = Workspace.at(workspace.folder, Path(state) / "state", workspace.spec_file)
        without = {"kit": Override(None, "labctl kit make")}
        lab = Lab.open(fresh, without, emit=emit, read_only=True)
        found = contents(lab)
        name = _name(workspace)
        files = list(lab_files(lab, folder))
        with KitWriter(folder, options.limit) as kit:
            for goal, file in files:
                kit.copy(goal, file)
            _add(kit, options.add)
            _download(kit, lab, found, tell)
            if lab.uses_vagrant:
                from labctl.kit import boxes

                spec = lab.spec
                wanted = [spec.box, *(node.box for node in spec.node_options if node.box)]
                named = dict.fromkeys((box.name, box.pinned_version) for box in wanted)
                boxes.collect(
                    kit, named, lab.provider, lambda name: tell(msg("box: {name}", name=name))
                )
            if options.wheels:
                _add_labctl(kit, options, tell)
            for readme_name, text in readme.texts(name, options.pythons).items():
                kit.text(readme_name, text)
            digest, size, count = kit.finish(name, __version__)
    return MadeKit(folder, digest, count, size, kit.written)


def _name(workspace: Workspace) -> str:
    """Return the lab's name; the one that is open avoids those of this computer's other labs."""
    listed = document.read(workspace.spec_file).values.get("name")
    return listed if isinstance(listed, str) else safe_name(workspace.folder.name)


def _download(kit: KitWriter, lab: Lab, found: Contents, tell: Callable[[str], None]) -> None:
    spec = lab.spec
    mirrors = spec.sources.mirrors if spec.docker.mirrors == "auto" else spec.docker.mirrors
    images.pull(
        kit,
        found.images,
        mirrors,
        spec.docker.insecure_registries,
        lambda name: tell(msg("image: {name}", name=name)),
    )
    for path, (url, sha256) in found.files.items():
        tell(msg("file: {name}", name=url))
        download.fetch(kit, path, url, sha256)
        kit.downloads[url] = path
    taken = rpm_repository.collect(
        kit,
        dict.fromkeys(found.repositories.values()),
        found.packages,
        FRESH.architecture,
        lambda name: tell(msg("package: {name}", name=name)),
    )
    for baseurl, repository in found.repositories.items():
        kit.downloads[baseurl + REPOMD] = f"{rpm_repository.FOLDER}/{repository.path}{REPOMD}"
    if taken.unprovided:
        tell(
            msg(
                "no repository of the lab provides {names}: every machine must have it already",
                names=", ".join(sorted(taken.unprovided)[:20]),
            )
        )


def _add(kit: KitWriter, paths: Sequence[Path]) -> None:
    for path in paths:
        if path.is_dir():
            for file in sorted(path.rglob("*")):
                if file.is_file():
                    inside = file.relative_to(path.parent).as_posix()
                    kit.copy(f"{FURTHER}/{inside}", file)
        else:
            kit.copy(f"{FURTHER}/{path.name}", path)


def _add_labctl(kit: KitWriter, options: KitOptions, tell: Callable[[str], None]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        wheels.collect(
            Path(folder),
            kit.folder / wheels.FOLDER,
            options.systems,
            options.pythons,
            lambda name: tell(msg("labctl for {system}", system=name)),
        )
        for file in sorted(Path(folder).iterdir()):
            kit.copy(f"{wheels.FOLDER}/{file.name}", file)
