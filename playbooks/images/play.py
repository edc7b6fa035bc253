"""Images that every node has before class, and that the lab downloads only once.

The node of the private registry pulls the images and publishes them there under labctl/. The other
nodes fetch them from there over the lab's network, and have the same images, by their ids. So this
playbook needs the registry.
"""

from typing import Any

from labctl.playbook import (
    FetchedImage,
    ImageName,
    LabSpec,
    PeerQuery,
    Play,
    Plays,
    PublishedImage,
    SecretStore,
    Store,
    quote,
)

from ..registry.access import credential, endpoint
from .settings import Settings

NEEDS = ("registry",)


def play(play: Play) -> Plays:
    place = endpoint(play.lab)
    login = credential(play.lab, play.secret_store)
    store = Store(place.address, login.user, login.password)
    for image in _images(play.lab):
        if play.node.name == place.node:
            yield PublishedImage(image, store)
        else:
            look = f"docker image inspect --format '{{{{.Id}}}}' {quote(image.local)}"
            yield FetchedImage(image, store, PeerQuery(place.node, "images", look))


def expected(lab: LabSpec, _: SecretStore) -> list[dict[str, Any]]:
    return [
        {"name": image.local, "digest": image.digest, "path": image.path, "tag": image.tag}
        for image in _images(lab)
    ]


def _images(lab: LabSpec) -> list[ImageName]:
    return [ImageName.parse(text) for text in lab.settings(Settings).images]
