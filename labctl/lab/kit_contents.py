"""What a lab's kit must contain, derived from the lab's own plays, checks and course.

The plays run as they do before a change, with facts of a fresh CentOS 7. Nothing touches a node.
Their resources say which packages, images and files nodes will ask for.
"""

from __future__ import annotations

import posixpath
import re
from dataclasses import dataclass, field
from typing import Any

from labctl.config.image_name import ImageName
from labctl.errors import PlaybookError
from labctl.kit.overrides import COMPOSE, DOCKER, KEYS, VAULT
from labctl.kit.redirect import BASEURL, is_repository_file
from labctl.kit.rpm_repository import FOLDER as RPMS
from labctl.kit.rpm_repository import Repository
from labctl.lab.class_images import class_images
from labctl.lab.lab import Lab
from labctl.messages import msg
from labctl.provision.expand import expand
from labctl.provision.facts import Facts
from labctl.provision.loader import Playbook
from labctl.provision.resources.base import Observed, Resource
from labctl.provision.resources.container import Container
from labctl.provision.resources.download import Download
from labctl.provision.resources.image import FetchedImage, PublishedImage
from labctl.provision.resources.packages import Package, Packages
from labctl.provision.resources.repository import SigningKey

FRESH = Facts("fresh", "x86_64", "centos", "7")
_MOST_QUESTIONS = 100


@dataclass(slots=True)
class Contents:
    """What the nodes of a lab ask for.

    Attributes:
        packages: of RPM.
        repositories: where they are, by their URL as yum's files have it.
        images: by name.
        files: (URL, SHA-256 or an empty text) of each file, by its path in the kit.
    """

    packages: dict[Package, None] = field(default_factory=dict)
    repositories: dict[str, Repository] = field(default_factory=dict)
    images: dict[ImageName, None] = field(default_factory=dict)
    files: dict[str, tuple[str, str]] = field(default_factory=dict)

    def add_repository(self, path: str, baseurl: str) -> None:
        """Add a repository, with yum's variables in its URL as a fresh node has them."""
        url = baseurl.replace("$basearch", FRESH.architecture).replace("$releasever", FRESH.major)
        same = (one.path for one in self.repositories.values() if one.baseurl == url.rstrip("/"))
        repository = Repository(next(same, path), url.rstrip("/"))
        self.repositories.setdefault(baseurl.rstrip("/"), repository)


def contents(lab: Lab) -> Contents:
    """Return what a lab's kit must contain.

    Raises:
        PlaybookError: a playbook cannot be loaded, or failed.
        UsageError: the course's list of images cannot be read.
    """
    found = Contents()
    sources = lab.spec.sources
    vault = sources.vault.baseurl.rstrip("/")
    for name in ("os", "updates", "extras"):
        place = f"{VAULT}/{name}/{FRESH.architecture}"
        found.add_repository(place.removeprefix(f"{RPMS}/"), f"{vault}/{name}/$basearch")
    found.add_repository(DOCKER.removeprefix(f"{RPMS}/"), sources.docker.baseurl)
    books = lab.playbooks()
    for node in lab.node_names:
        for resource in _resources(lab, node, books):
            _add(found, resource, lab)
    found.images |= dict.fromkeys(class_images(lab))
    return found


def _resources(lab: Lab, node: str, books: tuple[Playbook, ...]) -> list[Resource]:
    """Return the resources of a node, each question answered as if its script printed nothing."""
    choices: dict[str, Any] = {}
    for _ in range(_MOST_QUESTIONS):
        play = lab.play(node, FRESH, choices, books, user="vagrant")
        items, question = expand(books, play)
        if question is None:
            return [item.resource for item in items]
        answer = question.decide(Observed(0, ""))
        choices[question.key] = {"script": question.script, "answer": answer}
    raise PlaybookError(msg("the playbooks ask the node without end"), node=node)


def _add(found: Contents, resource: Resource, lab: Lab) -> None:
    if isinstance(resource, Packages):
        found.packages |= dict.fromkeys(resource.wanted)
    elif isinstance(resource, Container):
        found.images[ImageName.parse(resource.image)] = None
    elif isinstance(resource, PublishedImage | FetchedImage):
        found.images[resource.image] = None
    elif isinstance(resource, SigningKey):
        if resource.source.startswith(("http:", "https:")):
            found.files[f"{KEYS}/{resource.name}"] = (resource.source, "")
    elif isinstance(resource, Download):
        compose = lab.spec.resolved_toolchain.compose or ""
        if resource.url == lab.spec.sources.compose.url.replace("{version}", compose):
            path = COMPOSE.replace("{version}", compose)
        else:
            name = re.sub(r"[^A-Za-z0-9._-]", "-", posixpath.basename(resource.url)) or "file"
            path = f"downloads/{resource.sha256[:16]}/{name.strip('.-') or 'file'}"
        found.files[path] = (resource.url, resource.sha256)
    elif is_repository_file(resource):
        for line in BASEURL.finditer(resource.content):
            number = len(found.repositories)
            found.add_repository(f"other/{number}", line[2])
