"""The names of an image: at its source, on a node, and in the lab's registry."""

from __future__ import annotations

from dataclasses import dataclass

KEPT_UNDER = "labctl"
"""First part of the names of published images in the lab's registry."""


@dataclass(frozen=True, slots=True)
class ImageName:
    """An image as lab.yaml names it.

    Parameters:
        repository: ``nginx``, ``quay.io/a/b``.
        tag: ``1.22``; ``latest`` if none was given.
        digest: ``sha256:…`` of its manifest, or an empty text.
    """

    repository: str
    tag: str
    digest: str

    @classmethod
    def parse(cls, text: str) -> ImageName:
        """Parse a name of the pattern `labctl.config.patterns.IMAGE`."""
        name, _, digest = text.partition("@")
        head, slash, last = name.rpartition("/")
        last, _, tag = last.partition(":")
        return cls(f"{head}{slash}{last}", tag or "latest", digest)

    @property
    def local(self) -> str:
        """Its name on every node: repository and tag, even if it was pulled by digest."""
        return f"{self.repository}:{self.tag}"

    @property
    def source(self) -> str:
        """The name it is pulled by; a digest takes precedence over a tag."""
        return f"{self.repository}@{self.digest}" if self.digest else self.local

    @property
    def path(self) -> str:
        """Its repository in the lab's registry, without the registry's address."""
        return f"{KEPT_UNDER}/{self.repository.replace(':', '-').lower()}"
