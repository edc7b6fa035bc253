"""The mappings of lab.yaml that belong to playbooks of the course, off unless these are named."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from labctl.config import patterns
from labctl.config.values import Image, Is, Label, Mirror, Part, Port, Url

REGISTRY_IMAGE = "registry:2"

OverlayMode = Literal["auto", "etcd", "swarm"]


class RegistrySpec(Part):
    """The private registry of the playbook `registry`."""

    node: Label | None = Field(
        default=None,
        description="Node that it runs on. Default: the first one.",
        examples=["docker-node1"],
    )
    port: Port = Field(default=5000, description="Port, with TLS.", examples=[5050])
    user: Annotated[str, Is(patterns.LOGIN)] = Field(
        default="student", description="User who may push and pull.", examples=["anna"]
    )
    password: Annotated[str, Is(patterns.PASSWORD)] | None = Field(
        default=None,
        description="Password of the user. Default: generated once; `labctl status` shows it.",
        examples=["a-secret-of-yours"],
    )
    image: Image = Field(
        default=REGISTRY_IMAGE, description="Image that it runs.", examples=["registry:2"]
    )


class HubCacheSpec(Part):
    """The cache of Docker Hub of the playbook `hub-cache`: one on a node, or one that exists."""

    node: Label | None = Field(
        default=None,
        description="Node that it runs on. Default: the first one.",
        examples=["docker-node1"],
    )
    port: Port = Field(default=5001, description="Port, with TLS.", examples=[5051])
    url: Mirror | None = Field(
        default=None,
        description="Existing cache to use instead of one on a node.",
        examples=["https://cache.example:5001"],
    )
    upstream: Url | None = Field(
        default=None,
        description="What it caches. Default: the first mirror that answers, else Docker Hub.",
        examples=["https://mirror.example"],
    )
    image: Image = Field(
        default=REGISTRY_IMAGE, description="Image that it runs.", examples=["registry:2"]
    )
