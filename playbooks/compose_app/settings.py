"""Keys of lab.yaml for the application: its folder, and the node that runs it."""

from collections.abc import Iterator
from pathlib import Path

from labctl.config.keys import (
    Fault,
    Field,
    HostPath,
    LabSpec,
    NodeName,
    Part,
    missing_folder,
    msg,
    unknown_node,
)


class ComposeApp(Part):
    """The application of the playbook `compose-app`."""

    folder: HostPath = Field(
        description="Folder with docker-compose.yml, relative to lab.yaml.", examples=["app"]
    )
    node: NodeName | None = Field(
        default=None,
        description="Node that it runs on. Default: the first one.",
        examples=["docker-node1"],
    )


class Settings(Part):
    """The playbook's keys of lab.yaml."""

    compose_app: ComposeApp | None = Field(
        default=None,
        description="Application that runs before class. Enable it with the playbook compose-app.",
        examples=[{"folder": "app"}],
    )


def check(lab: LabSpec) -> Iterator[Fault]:
    app = lab.settings(Settings).compose_app
    if app is not None:
        yield from unknown_node(lab, ("compose_app", "node"), app.node)
        if Path(app.folder).is_absolute() and (
            fault := missing_folder(("compose_app", "folder"), app.folder)
        ):
            yield fault
    elif "compose-app" in lab.playbooks:
        index = lab.playbooks.index("compose-app")
        hint = msg("compose_app: {folder: …}")
        yield Fault(
            ("playbooks", index),
            "compose-app needs a folder",
            hint,
            needs=("compose_app",),
        )
