"""The mappings of lab.yaml that belong to playbooks of the course, off unless these are named."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from labctl.config import patterns
from labctl.config.sections import Is, Label, Mirror, Part, Port, Text, Url

REGISTRY_IMAGE = "registry:2"

Image = Annotated[str, Is(patterns.IMAGE)]
OverlayMode = Literal["auto", "etcd", "swarm"]


class RegistrySpec(Part):
    """The private registry of the playbook `registry`."""

    node: Label | None = Field(default=None, description="Where it runs; default: the first node.")
    port: Port = Field(default=5000, description="Port of its TLS listener.")
    user: Annotated[str, Is(patterns.LOGIN)] = Field(
        default="student", description="Who may push and pull."
    )
    password: Annotated[str, Is(patterns.PASSWORD)] | None = Field(
        default=None, description="Default: made once; `labctl status` shows it."
    )
    image: Image = Field(default=REGISTRY_IMAGE, description="Image that it runs.")


class HubCacheSpec(Part):
    """The cache of Docker Hub of the playbook `hub-cache`: one on a node, or one that exists."""

    node: Label | None = Field(default=None, description="Where it runs; default: the first node.")
    port: Port = Field(default=5001, description="Port of its TLS listener.")
    url: Mirror | None = Field(
        default=None, description="A cache that exists already, used instead of one on a node."
    )
    upstream: Url | None = Field(
        default=None,
        description="What it caches; default: the first mirror that answers, else Docker Hub.",
    )
    image: Image = Field(default=REGISTRY_IMAGE, description="Image that it runs.")


class ComposeAppSpec(Part):
    """The application of the playbook `compose-app`."""

    folder: Text = Field(description="Folder with docker-compose.yml, relative to lab.yaml.")
    node: Label | None = Field(default=None, description="Where it runs; default: the first node.")
