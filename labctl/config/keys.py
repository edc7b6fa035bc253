"""The names for the ``settings.py`` of a playbook.

A playbook declares its own keys of lab.yaml in ``playbooks/NAME/settings.py``::

    from collections.abc import Iterator

    from labctl.config.keys import Fault, Field, LabSpec, NodeName, Part

    class Settings(Part):
        motd: str = Field(default="", description="Text that a login shows.")

    def check(lab: LabSpec) -> Iterator[Fault]:
        if "%" in lab.settings(Settings).motd:
            yield Fault(("motd",), "must not have a percent sign", "write it out")

Each field of `Settings` is a top-level key. `check` is optional; it runs when every value is valid.
The play reads the keys with ``play.lab.settings(Settings)`` after
``from .settings import Settings``. Names outside this module may change at any time.
"""

from __future__ import annotations

from pydantic import Field

from labctl.config.existing_files import missing_folder
from labctl.config.faults import Fault, Refused
from labctl.config.image_name import ImageName
from labctl.config.model import LabSpec
from labctl.config.patterns import LOGIN, PASSWORD, Pattern
from labctl.config.values import Between, HostPath, Image, Is, Loose, Mirror, Part, Port, Text, Url
from labctl.config.values import Label as NodeName
from labctl.messages import msg

__all__ = [
    "LOGIN",
    "PASSWORD",
    "Between",
    "Fault",
    "Field",
    "HostPath",
    "Image",
    "ImageName",
    "Is",
    "LabSpec",
    "Loose",
    "Mirror",
    "NodeName",
    "Part",
    "Pattern",
    "Port",
    "Refused",
    "Text",
    "Url",
    "missing_folder",
    "msg",
    "unknown_node",
]


def unknown_node(lab: LabSpec, path: tuple[str | int, ...], node: str | None) -> list[Fault]:
    """Return the fault of a key that names a node which the lab does not have; else nothing."""
    if node is None or node in lab.node_names:
        return []
    needs = ("machines",) if lab.machines is not None else ("nodes",)
    known = msg("available: {names}", names=", ".join(lab.node_names))
    return [Fault(path, msg("this lab has no node '{node}'", node=node), known, needs)]
