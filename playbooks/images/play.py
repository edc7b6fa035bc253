"""Images that every node has before class, and that come over the uplink once.

The node of the private registry pulls them, and keeps them there under labctl/; every other node
takes them from it over the lab's network, and has the same image by its id. So this playbook brings
the registry along.
"""

from labctl.config.image_name import ImageName
from labctl.playbook import FetchedImage, PeerQuery, Play, Plays, PublishedImage, Store, quote
from labctl.provision import lab_services

NEEDS = ("registry",)


def play(play: Play) -> Plays:
    place, settings = lab_services.registry(play.lab), play.lab.registry
    login = play.secret_store.credential("registry", settings.user, settings.password)
    store = Store(place.address, login.user, login.password)
    for text in play.lab.images:
        image = ImageName.parse(text)
        if play.node.name == place.node:
            yield PublishedImage(image, store)
        else:
            look = f"docker image inspect --format '{{{{.Id}}}}' {quote(image.local)}"
            yield FetchedImage(image, store, PeerQuery(place.node, "images", look))
