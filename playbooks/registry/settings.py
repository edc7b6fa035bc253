"""Keys of lab.yaml for the registry: the node that runs it, and the login."""

from collections.abc import Iterator
from typing import Annotated

from labctl.config.keys import (
    LOGIN,
    PASSWORD,
    Fault,
    Field,
    Image,
    Is,
    LabSpec,
    NodeName,
    Part,
    Port,
    unknown_node,
)


class Registry(Part):
    """The private registry of the playbook `registry`."""

    node: NodeName | None = Field(
        default=None,
        description="Node that it runs on. Default: the first one.",
        examples=["docker-node1"],
    )
    port: Port = Field(default=5000, description="Port, with TLS.", examples=[5050])
    user: Annotated[str, Is(LOGIN)] = Field(
        default="student", description="User who may push and pull.", examples=["anna"]
    )
    password: Annotated[str, Is(PASSWORD)] | None = Field(
        default=None,
        description="Password of the user. Default: generated once; `labctl status` shows it.",
        examples=["a-secret-of-yours"],
    )
    image: Image = Field(
        default="registry:2", description="Image that it runs.", examples=["registry:2"]
    )


class Settings(Part):
    """The playbook's keys of lab.yaml."""

    registry: Registry = Field(
        default_factory=Registry,
        description="Private registry. Enable it with the playbook registry.",
        examples=[{"user": "anna"}],
    )


def check(lab: LabSpec) -> Iterator[Fault]:
    yield from unknown_node(lab, ("registry", "node"), lab.settings(Settings).registry.node)
