"""What an image is called: where it is pulled from, on a node, and in the lab's own registry."""

from __future__ import annotations

from dataclasses import dataclass

KEPT_UNDER = "labctl"
"""First part of the names under which the lab's registry keeps images that it hands on."""


@dataclass(frozen=True, slots=True)
class ImageName:
    """An image as lab.yaml names it.

    Parameters:
        repository: ``nginx``, ``quay.io/a/b``.
        tag: ``1.22``; ``latest`` where none was given.
        digest: ``sha256:…`` of its manifest, or an empty text.
    """

    repository: str
    tag: str
    digest: str

    @classmethod
    def parse(cls, text: str) -> ImageName:
        """Take apart a name of the shape `labctl.config.patterns.IMAGE`."""
        name, _, digest = text.partition("@")
        head, slash, last = name.rpartition("/")
        last, _, tag = last.partition(":")
        return cls(f"{head}{slash}{last}", tag or "latest", digest)

    @property
    def local(self) -> str:
        """What it is called on every node: by name and tag, whatever it was pulled by."""
        return f"{self.repository}:{self.tag}"

    @property
    def source(self) -> str:
        """What it is pulled by; a digest wins over a tag."""
        return f"{self.repository}@{self.digest}" if self.digest else self.local

    @property
    def path(self) -> str:
        """Its repository in the lab's registry, without the registry's address."""
        return f"{KEPT_UNDER}/{self.repository.replace(':', '-').lower()}"
