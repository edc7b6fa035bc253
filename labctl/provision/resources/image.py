"""Images that one node pulls and keeps for the others, and that the others take from there.

Both ends compare image ids: an id is the digest of an image's configuration, which names its
layers by theirs, so that equal ids are equal images, wherever they came from.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass, field

from labctl.config.image_name import ImageName
from labctl.provision.resources.base import Change, Observed, PeerQuery, quote

_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"


@dataclass(frozen=True, slots=True)
class Store:
    """The registry that hands images on.

    Parameters:
        address: HOST:PORT.
        user: who may read and write there; the node's root is logged in already.
        password: shown nowhere.
    """

    address: str
    user: str
    password: str = field(repr=False)

    def name(self, image: ImageName) -> str:
        """Return what the engine calls an image of this registry."""
        return f"{self.address}/{image.path}:{image.tag}"

    def look(self, image: ImageName) -> str:
        """Return sh that prints the id of the image that the registry has, or an empty line."""
        login = base64.b64encode(f"{self.user}:{self.password}".encode()).decode()
        # By stdin: everybody on the node can read a command line.
        config = f'header = "Authorization: Basic {login}"\nheader = "Accept: {_MANIFEST}"\n'
        url = f"https://{self.address}/v2/{image.path}/manifests/{image.tag}"
        return (
            f"printf %s {quote(config)} | curl --silent --fail --config - --connect-timeout 5"
            f" --max-time 20 --cacert {quote(f'/etc/docker/certs.d/{self.address}/ca.crt')}"
            f" {quote(url)} | tr -d ' \\t\\r\\n'"
            # Its only "config" is an object without objects in it.
            ' | sed -n \'s/.*"config":{[^}]*"digest":"\\(sha256:[0-9a-f]*\\)".*/\\1/p\'\n'
            "echo"
        )


def _here(image: ImageName) -> str:
    """Return sh that prints the image's id on this node and the digests it was pulled by."""
    shown = "{{.Id}} {{range .RepoDigests}}{{.}} {{end}}"
    return (
        f"docker image inspect --format {quote(shown)} {quote(image.local)} 2>/dev/null || echo -"
    )


def _seen(observed: Observed) -> tuple[str, list[str], str]:
    """Return the id here, the digests here, and the id in the registry; "-" where there is none."""
    lines = [*observed.output.splitlines(), "", ""]
    here, *digests = lines[0].split() or ["-"]
    return here, digests, lines[1].strip() or "-"


@dataclass(frozen=True, slots=True)
class PublishedImage:
    """An image that this node has pulled, and that the lab's registry has for the others.

    An image that is here is not pulled again, unless lab.yaml gives a digest and it is another.
    """

    image: ImageName
    store: Store

    @property
    def id(self) -> str:
        return f"image:{self.image.local}"

    def probe(self) -> str:
        return f"{_here(self.image)}\n{self.store.look(self.image)}"

    def plan(self, observed: Observed) -> Change | None:
        here, digests, kept = _seen(observed)
        image, name = self.image, self.store.name(self.image)
        right = here != "-" and (
            not image.digest or any(digest.endswith(f"@{image.digest}") for digest in digests)
        )
        if right and here == kept:
            return None
        steps = ["set -e"]
        if not right:
            steps.append(f"docker pull --quiet {quote(image.source)}")
            if image.digest:
                steps.append(f"docker tag {quote(image.source)} {quote(image.local)}")
        steps += [
            f"docker tag {quote(image.local)} {quote(name)}",
            f"docker push {quote(name)} >/dev/null",
            f"docker image rm {quote(name)} >/dev/null",
        ]
        words = "keep it" if right else "pull it, and keep it"
        wanted = image.source if not right else here
        return Change(
            f"{image.local}: {words} for the other nodes",
            "\n".join(steps),
            f"-here {here}, kept {kept}\n+{wanted}",
        )


@dataclass(frozen=True, slots=True)
class FetchedImage:
    """An image that this node has from the lab's registry, the same as on the node that pulled it.

    Parameters:
        ask: the node that pulled it; it tells the id.
    """

    image: ImageName
    store: Store
    ask: PeerQuery

    @property
    def id(self) -> str:
        return f"image:{self.image.local}"

    def probe(self) -> str:
        return f"{_here(self.image)}\n{self.store.look(self.image)}"

    def plan(self, observed: Observed) -> Change | None:
        here, _, kept = _seen(observed)
        if here != "-" and here == kept:
            return None
        image, name = self.image, quote(self.store.name(self.image))
        script = "\n".join(
            [
                "set -e",
                f"docker pull --quiet {name}",
                f"seen=$(docker image inspect --format '{{{{.Id}}}}' {name})",
                'if [ "$seen" != "$answer" ]; then',
                f"  docker image rm {name} >/dev/null",
                f'  echo "{self.ask.node} has the image $answer, and its registry $seen"; exit 1',
                "fi",
                f"docker tag {name} {quote(image.local)}",
                f"docker image rm {name} >/dev/null",
            ]
        )
        return Change(
            f"{image.local}: take it from {self.ask.node}", script, f"-{here}\n+{kept}", self.ask
        )
