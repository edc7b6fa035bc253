"""Images that one node pulls and publishes, and that the other nodes fetch from it.

Both ends compare image ids. An id is the digest of an image's configuration, which contains the
digests of its layers. So equal ids mean equal images, whatever their source.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass, field

from labctl.config.image_name import ImageName
from labctl.messages import msg
from labctl.provision.resources.base import Change, Observed, PeerQuery, shell_script


@dataclass(frozen=True, slots=True)
class Store:
    """The registry that offers the images.

    Parameters:
        address: HOST:PORT.
        user: may read and write there; the node's root is already logged in.
        password: never shown.
    """

    address: str
    user: str
    password: str = field(repr=False)

    def name(self, image: ImageName) -> str:
        """Return the engine's name for an image of this registry."""
        return f"{self.address}/{image.path}:{image.tag}"

    def probe(self, image: ImageName) -> str:
        """Return sh that prints an image's ids on this node and in the registry; see `_seen`."""
        return shell_script(
            __file__,
            "image_ids.sh",
            image=image.local,
            manifest=f"https://{self.address}/v2/{image.path}/manifests/{image.tag}",
            authority=f"/etc/docker/certs.d/{self.address}/ca.crt",
            login=base64.b64encode(f"{self.user}:{self.password}".encode()).decode(),
        )


def _seen(observed: Observed) -> tuple[str, list[str], str]:
    """Return the id here, the digests here, and the id in the registry; "-" if there is none."""
    lines = [*observed.output.splitlines(), "", ""]
    here, *digests = lines[0].split() or ["-"]
    return here, digests, lines[1].strip() or "-"


@dataclass(frozen=True, slots=True)
class PublishedImage:
    """An image that this node has pulled and that the lab's registry offers to the other nodes.

    An image that is here is pulled again only if lab.yaml gives another digest.

    Parameters:
        image: the image.
        store: offers it to the other nodes.
        origin: name to pull it by; default: its own.
    """

    image: ImageName
    store: Store
    origin: str = ""

    @property
    def id(self) -> str:
        return f"image:{self.image.local}"

    def probe(self) -> str:
        return self.store.probe(self.image)

    def plan(self, observed: Observed) -> Change | None:
        here, digests, kept = _seen(observed)
        image, name = self.image, self.store.name(self.image)
        right = here != "-" and (
            not image.digest or any(digest.endswith(f"@{image.digest}") for digest in digests)
        )
        if right and here == kept:
            return None
        script = shell_script(
            __file__,
            "image_publish.sh",
            image=image.local,
            source="" if right else self.origin or image.source,
            kept=name,
        )
        words = msg("publish it") if right else msg("pull and publish it")
        wanted = image.source if not right else here
        return Change(
            msg("{local}: {words} for the other nodes", local=image.local, words=words),
            script,
            f"-here {here}, kept {kept}\n+{wanted}",
        )


@dataclass(frozen=True, slots=True)
class FetchedImage:
    """The same image as on the node that pulled it, fetched from the lab's registry.

    Parameters:
        query: reads the id from the node that pulled it.
    """

    image: ImageName
    store: Store
    query: PeerQuery

    @property
    def id(self) -> str:
        return f"image:{self.image.local}"

    def probe(self) -> str:
        return self.store.probe(self.image)

    def plan(self, observed: Observed) -> Change | None:
        here, _, kept = _seen(observed)
        if here != "-" and here == kept:
            return None
        image = self.image
        script = shell_script(
            __file__,
            "image_fetch.sh",
            image=image.local,
            kept=self.store.name(image),
            node=self.query.node,
        )
        return Change(
            msg("{local}: fetch it from {node}", local=image.local, node=self.query.node),
            script,
            f"-{here}\n+{kept}",
            self.query,
        )
