"""Resources of a lab's own playbooks that download something, pointed at the kit."""

from __future__ import annotations

import functools
import re
import urllib.parse
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import TypeGuard

from labctl.kit import images
from labctl.kit.folder import Kit
from labctl.kit.server import HOST, URL
from labctl.provision.loader import Playbook
from labctl.provision.play import Play
from labctl.provision.resources.base import Resource
from labctl.provision.resources.download import Download
from labctl.provision.resources.file import File
from labctl.provision.resources.image import PublishedImage
from labctl.provision.resources.repository import SigningKey

REPOSITORIES = "/etc/yum.repos.d/"
REPOMD = "/repodata/repomd.xml"
BASEURL = re.compile(r"(?m)^(baseurl *= *)(\S+) *$")


def redirected(playbooks: tuple[Playbook, ...], kit: Kit | None) -> tuple[Playbook, ...]:
    """Return playbooks whose downloads come from a kit, as far as it has them; None: no kit."""
    if kit is None:
        return playbooks
    places = {
        url: f"{URL}/{urllib.parse.quote(path)}" for url, path in kit.manifest.downloads.items()
    }

    def play(playbook: Playbook, play: Play) -> Iterator[Resource]:
        for resource in playbook.play(play):
            yield _redirected(resource, places)

    return tuple(replace(book, play=functools.partial(play, book)) for book in playbooks)


def _redirected(resource: Resource, places: Mapping[str, str]) -> Resource:
    if isinstance(resource, Download) and resource.url in places:
        return replace(resource, url=places[resource.url])
    if isinstance(resource, SigningKey) and resource.source in places:
        return replace(resource, source=places[resource.source])
    if isinstance(resource, PublishedImage):
        registry, repository = images.place(resource.image)
        if registry == images.HUB:  # the engine's mirror has it
            return resource
        version = f"@{resource.image.digest}" if resource.image.digest else f":{resource.image.tag}"
        return replace(resource, origin=f"{HOST}/{registry}/{repository}{version}")
    if is_repository_file(resource):
        return replace(
            resource,
            content=BASEURL.sub(lambda line: line[1] + _baseurl(line[2], places), resource.content),
        )
    return resource


def _baseurl(url: str, places: Mapping[str, str]) -> str:
    place = places.get(url.rstrip("/") + REPOMD)
    return url if place is None else place.removesuffix(REPOMD)


def is_repository_file(resource: Resource) -> TypeGuard[File]:
    """Return whether a resource is a file of yum's that names repositories."""
    return isinstance(resource, File) and resource.path.startswith(REPOSITORIES)
