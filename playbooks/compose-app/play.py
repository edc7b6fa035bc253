"""An application that is up before class: a folder with docker-compose.yml, on one node.

The folder is copied, and the project built and brought up again whenever a file in it has changed,
here or on the node. What the containers write there stays.
"""

import hashlib
from pathlib import Path

from labctl.playbook import ComposeProject, Folder, Play, Plays, file_content
from labctl.provision import lab_services

NEEDS = ("compose",)
FILES = ("docker-compose.yml", "docker-compose.yaml")


def play(play: Play) -> Plays:
    app = lab_services.compose_app(play.lab)
    if play.node.name != app["node"]:
        return
    assert play.lab.compose_app is not None, "services.compose_app has looked"
    files = file_content(Path(play.lab.compose_app.folder))
    if not any(file.path in FILES for file in files):
        raise ValueError(f"there is no {FILES[0]} in {play.lab.compose_app.folder}")
    yield Folder(app["folder"], files, play.user)
    parts = [f"{file.path}\0{file.mode}\0{file.digest}\n" for file in files]
    digest = hashlib.sha256("".join(parts).encode()).hexdigest()
    yield ComposeProject(app["project"], app["folder"], digest)
