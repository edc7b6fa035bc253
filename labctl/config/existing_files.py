"""Files and folders of this computer that lab.yaml names, and playbooks: whether they exist."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from labctl.config.class_checks import check_roster
from labctl.config.faults import Fault
from labctl.config.nearest import nearest, suggestion
from labctl.config.packaged import packaged
from labctl.config.playbook_modules import available
from labctl.messages import msg

if TYPE_CHECKING:
    from labctl.config.model import LabSpec


def check(spec: LabSpec, folder: Path) -> Iterator[Fault]:
    """Yield a fault for each file, folder and playbook that does not exist.

    Parameters:
        spec: the lab.
        folder: the lab's folder.
    """
    for index, synced in enumerate(spec.synced_folders):
        if synced.type != "disabled" and synced.options.get("create") is not True:
            fault = missing_folder(("synced_folders", index, "host"), synced.host)
            yield from [fault] if fault else []
    yield from check_roster(spec)
    known = available([folder / "playbooks", packaged("playbooks")])
    for index, name in enumerate(spec.playbooks):
        if name not in known:
            others = msg("available: {names}", names=", ".join(known))
            yield Fault(
                ("playbooks", index),
                msg("unknown playbook '{name}'", name=name),
                suggestion(name, known, others),
            )
    url = spec.box.url
    if url is not None and url.startswith("file:"):
        path = file_of(url)
        if not path.is_file():
            yield Fault(("box", "url"), msg("{path}: no such file", path=path), _nearest(path))


def missing_folder(path: tuple[str | int, ...], place: str) -> Fault | None:
    """Return the fault of a folder of this computer that does not exist; None if it exists.

    Parameters:
        path: its key in lab.yaml.
        place: the folder, absolute.
    """
    folder = Path(place)
    if folder.is_dir():
        return None
    if folder.exists():
        return Fault(path, msg("{path} is not a folder", path=place))
    return Fault(path, msg("{path}: no such folder", path=place), _nearest(folder))


def file_of(url: str) -> Path:
    """Return the path of a file: URL."""
    path = unquote(urlsplit(url).path)
    # file:///D:/boxes/x.box
    return Path(path[1:] if os.name == "nt" and path[2:3] == ":" else path)


def _nearest(path: Path) -> str:
    """Return a hint with the neighbour that has the most similar name."""
    try:
        near = nearest(path.name, (one.name for one in path.parent.iterdir()))
    except OSError:
        near = ""
    return msg("did you mean {name}?", name=path.with_name(near)) if near else ""
