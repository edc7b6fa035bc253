"""An application that runs before class: a folder with docker-compose.yml, on one node.

The folder is copied to the node. If a file in it changes, here or on the node, the project is built
and started again. Files that the containers write there are kept.
"""

import hashlib
import re
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from labctl.playbook import (
    ComposeProject,
    Folder,
    LabSpec,
    Play,
    Plays,
    SecretStore,
    file_content,
    msg,
)

from .images import images
from .settings import ComposeApp, Settings

NEEDS = ("compose",)
FILES = ("docker-compose.yml", "docker-compose.yaml")
PARENT = "/srv"


def play(play: Play) -> Plays:
    app = play.lab.settings(Settings).compose_app
    if app is None:
        raise ValueError("lab.yaml does not set the folder: compose_app: {folder: …}")
    if play.node.name != _node(play.lab, app):
        return
    files = file_content(Path(app.folder))
    if not any(file.path in FILES for file in files):
        raise ValueError(msg("{folder} contains no {files}", files=FILES[0], folder=app.folder))
    yield Folder(_folder(app), files, play.user)
    parts = [f"{file.path}\0{file.mode}\0{file.digest}\n" for file in files]
    digest = hashlib.sha256("".join(parts).encode()).hexdigest()
    yield ComposeProject(_project(app), _folder(app), digest)


def expected(lab: LabSpec, _: SecretStore) -> dict[str, str] | None:
    app = lab.settings(Settings).compose_app
    if app is None:
        return None
    return {"node": _node(lab, app), "folder": _folder(app), "project": _project(app)}


def pulled_images(lab: LabSpec) -> Iterator[str]:
    """Yield the images that the application's files name."""
    app = lab.settings(Settings).compose_app
    if app is not None:
        for name in FILES:
            if (Path(app.folder) / name).is_file():
                yield from images(Path(app.folder), name)
                return


def _node(lab: LabSpec, app: ComposeApp) -> str:
    return app.node or lab.node_names[0]


def _folder(app: ComposeApp) -> str:
    return f"{PARENT}/{_project(app)}"


def _project(app: ComposeApp) -> str:
    """Return the project's name: Docker Compose accepts lower-case letters and digits."""
    return re.sub(r"[^a-z0-9]+", "", PurePosixPath(app.folder).name.lower()) or "app"
