"""Keys of lab.yaml for the images that every node has before class."""

from collections.abc import Iterator
from typing import Annotated

from labctl.config.keys import Fault, Field, Image, ImageName, LabSpec, Loose, Part, msg


class Settings(Part):
    """The playbook's keys of lab.yaml."""

    images: Annotated[tuple[Image, ...], Loose] = Field(
        default=(),
        description="Images that every node has before class. Enable them with the playbook "
        "images.",
        examples=[["busybox:1.35", "nginx:1.22"]],
    )


def check(lab: LabSpec) -> Iterator[Fault]:
    seen: set[str] = set()
    for index, text in enumerate(lab.settings(Settings).images):
        name = ImageName.parse(text).local
        if name in seen:
            yield Fault(("images", index), msg("the image {item} is listed twice", item=name))
        seen.add(name)
