"""Images of registries, kept in a kit as an OCI layout with their digests.

Manifests are kept as the registry sent them, so that an image has the same digest from a kit as
from its registry. Of an image for several platforms the list is kept, and the one image that the
nodes run.
"""

from __future__ import annotations

import hashlib
import json
import re
import urllib.error
import urllib.parse
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from labctl.config.image_name import ImageName
from labctl.errors import KitError
from labctl.kit import download
from labctl.kit.writer import KitWriter
from labctl.messages import msg

FOLDER = "images"
HUB = "docker.io"
HUB_URL = "https://registry-1.docker.io"
ARCHITECTURE = "amd64"

_LISTS = (
    "application/vnd.docker.distribution.manifest.list.v2+json",
    "application/vnd.oci.image.index.v1+json",
)
_SINGLES = (
    "application/vnd.docker.distribution.manifest.v2+json",
    "application/vnd.oci.image.manifest.v1+json",
)
_NAME = "org.opencontainers.image.ref.name"
_MOST_BYTES = 4 << 20
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


def place(image: ImageName) -> tuple[str, str]:
    """Return the registry and the repository of an image: ``docker.io``, ``library/nginx``."""
    head, slash, rest = image.repository.partition("/")
    if slash and ("." in head or ":" in head or head == "localhost"):
        return head, rest
    return HUB, image.repository if slash else f"library/{image.repository}"


def full_name(image: ImageName) -> str:
    """Return the name of an image with its registry, and its tag or digest."""
    registry, repository = place(image)
    return f"{registry}/{repository}" + (f"@{image.digest}" if image.digest else f":{image.tag}")


def blob(digest: str) -> str:
    """Return the path of a blob in a kit."""
    return f"{FOLDER}/blobs/{digest.replace(':', '/')}"


def media_type(manifest: bytes) -> str:
    """Return the media type of a manifest, which says it or shows it."""
    data = json.loads(manifest)
    named = data.get("mediaType")
    if named in (*_LISTS, *_SINGLES):
        return str(named)
    return _LISTS[1] if "manifests" in data else _SINGLES[1]


@dataclass(slots=True)
class Registry:
    """A registry that images are pulled from.

    Parameters:
        name: as the names of images have it.
        urls: where it answers; the first that has an image serves it.
    """

    name: str
    urls: tuple[str, ...]
    _tokens: dict[str, str] = field(default_factory=dict)

    def manifest(self, kit: KitWriter, repository: str, reference: str) -> tuple[str, bytes]:
        """Return the URL that has a manifest, and its content.

        Raises:
            KitError: no URL has it.
        """
        problems = []
        for url in self.urls:
            path = f"{url}/v2/{repository}/manifests/{reference}"
            headers = {"Accept": ", ".join((*_LISTS, *_SINGLES))}
            try:
                with self.open(path, repository, headers, "HEAD") as response:
                    digest = response.headers.get("Docker-Content-Digest", "")
                known = _DIGEST.fullmatch(digest) and kit.keep(blob(digest), digest[7:])
                if known:  # a GET counts against Docker Hub's limit of pulls
                    return url, (kit.folder / blob(digest)).read_bytes()
                with self.open(path, repository, headers) as response:
                    content: bytes = response.read(_MOST_BYTES + 1)
            except (urllib.error.HTTPError, KitError, OSError) as error:
                problems.append(f"{url}: {error}")
                continue
            seen = f"sha256:{hashlib.sha256(content).hexdigest()}"
            if len(content) <= _MOST_BYTES and (":" not in reference or seen == reference):
                return url, content
            problems.append(msg("{url}: the manifest has the digest {seen}", url=url, seen=seen))
        raise KitError(
            msg("{name} cannot be pulled", name=f"{self.name}/{repository}:{reference}"),
            hint="check its name in lab.yaml or course/images.toml, and this computer's network",
            details="\n".join(problems)[-2000:],
        )

    def open(
        self, url: str, repository: str, headers: Mapping[str, str], method: str = "GET"
    ) -> Any:
        """Open a URL of the registry, with a token if it demands one."""
        try:
            return download.request(url, self.authorized(repository, headers), method)
        except urllib.error.HTTPError as error:
            if error.code != 401 or not self._ask_token(
                repository, error.headers.get("WWW-Authenticate", "")
            ):
                raise
        return download.request(url, self.authorized(repository, headers), method)

    def authorized(self, repository: str, headers: Mapping[str, str]) -> dict[str, str]:
        """Return headers with the token for a repository, if there is one."""
        token = self._tokens.get(repository)
        return {**headers, **({"Authorization": f"Bearer {token}"} if token else {})}

    def _ask_token(self, repository: str, challenge: str) -> bool:
        values = dict(re.findall(r'(\w+)="([^"]*)"', challenge))
        realm = values.pop("realm", "")
        if not challenge.lower().startswith("bearer") or not realm.startswith("https://"):
            return False
        values["scope"] = f"repository:{repository}:pull"
        answer = json.loads(download.read(f"{realm}?{urllib.parse.urlencode(values)}"))
        token = answer.get("token") or answer.get("access_token")
        self._tokens[repository] = str(token)
        return bool(token)


def pull(
    kit: KitWriter,
    images: Iterable[ImageName],
    mirrors: Iterable[str],
    insecure: Iterable[str] = (),
    progress: Callable[[str], object] = lambda name: None,
) -> None:
    """Put images into a kit.

    Parameters:
        kit: takes them.
        images: which ones.
        mirrors: of Docker Hub; used if Docker Hub itself does not answer.
        insecure: registries without TLS.
        progress: called with the name of each image before it is pulled.

    Raises:
        KitError: one cannot be pulled or written.
    """
    registries = {HUB: Registry(HUB, (HUB_URL, *(mirror.rstrip("/") for mirror in mirrors)))}
    listed = []
    plain = set(insecure)
    for image in images:
        name = full_name(image)
        progress(name)
        host, repository = place(image)
        scheme = "http" if host in plain else "https"
        registry = registries.setdefault(host, Registry(host, (f"{scheme}://{host}",)))
        url, content = registry.manifest(kit, repository, image.digest or image.tag)
        digest = _keep(kit, content)
        kind = _contents(kit, registry, url, repository, content)
        kit.images[name] = digest
        # One that is pinned has a tag, too: nodes may pull it by either.
        if image.digest:
            kit.images.setdefault(f"{host}/{repository}:{image.tag}", digest)
        listed.append((name, digest, len(content), kind))
    kit.text(f"{FOLDER}/oci-layout", '{"imageLayoutVersion": "1.0.0"}\n')
    index = {
        "schemaVersion": 2,
        "manifests": [
            {"mediaType": kind, "digest": digest, "size": size, "annotations": {_NAME: name}}
            for name, digest, size, kind in sorted(listed)
        ],
    }
    kit.text(f"{FOLDER}/index.json", json.dumps(index, indent=1) + "\n")


def _keep(kit: KitWriter, content: bytes) -> str:
    digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
    kit.text(blob(digest), content)
    return digest


def _contents(kit: KitWriter, registry: Registry, url: str, repository: str, content: bytes) -> str:
    """Put what a manifest lists into the kit, and return the manifest's media type."""
    try:
        kind, data = media_type(content), json.loads(content)
        if kind in _LISTS:
            listed = [_checked(entry) for entry in data["manifests"] if _is_ours(entry)]
        else:
            listed = [_checked(entry) for entry in (data["config"], *data["layers"])]
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise KitError(
            msg("the manifest of {name} cannot be used", name=f"{registry.name}/{repository}"),
            hint="an image of before 2017 must be pulled, tagged and pushed again",
        ) from error
    if kind in _LISTS:
        if not listed:
            raise KitError(
                msg(
                    "{name} has no image for linux/{architecture}",
                    name=f"{registry.name}/{repository}",
                    architecture=ARCHITECTURE,
                )
            )
        _, inner = Registry(registry.name, (url,), registry._tokens).manifest(
            kit, repository, listed[0]
        )
        _keep(kit, inner)
        _contents(kit, registry, url, repository, inner)
        return kind
    for digest in listed:
        if kit.keep(blob(digest), digest[7:]):
            continue
        place = f"{url}/v2/{repository}/blobs/{digest}"
        headers = registry.authorized(repository, {})
        download.fetch(kit, blob(digest), place, digest[7:], headers)
    return kind


def _is_ours(entry: Mapping[str, Any]) -> bool:
    platform = entry.get("platform") or {}
    return (platform.get("os"), platform.get("architecture")) == ("linux", ARCHITECTURE)


def _checked(entry: Mapping[str, Any]) -> str:
    """Return the digest of an entry of a manifest."""
    digest = entry["digest"]
    if not _DIGEST.fullmatch(digest):
        raise ValueError(digest)
    return str(digest)
