"""Keys of lab.yaml for the cache of Docker Hub: one on a node, or an existing one."""

from collections.abc import Iterator

from labctl.config.keys import (
    Fault,
    Field,
    Image,
    LabSpec,
    Mirror,
    NodeName,
    Part,
    Port,
    Url,
    msg,
    unknown_node,
)

from ..registry.settings import Settings as RegistrySettings


class HubCache(Part):
    """The cache of Docker Hub of the playbook `hub-cache`: one on a node, or one that exists."""

    node: NodeName | None = Field(
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
        default="registry:2", description="Image that it runs.", examples=["registry:2"]
    )


class Settings(Part):
    """The playbook's keys of lab.yaml."""

    hub_cache: HubCache = Field(
        default_factory=HubCache,
        description="Cache of Docker Hub. Enable it with the playbook hub-cache.",
        examples=[{"url": "https://cache.example:5001"}],
    )


def check(lab: LabSpec) -> Iterator[Fault]:
    cache = lab.settings(Settings).hub_cache
    yield from unknown_node(lab, ("hub_cache", "node"), cache.node)
    if cache.url is not None:
        for key in ("node", "upstream"):
            if getattr(cache, key) is not None:
                message = msg("has no effect beside url, which names an existing cache")
                yield Fault(("hub_cache", key), message, msg("remove one of them"))
    elif "hub-cache" in lab.playbooks and {"registry", "images"} & set(lab.playbooks):
        yield from _same_port(lab, cache)


def _same_port(lab: LabSpec, cache: HubCache) -> Iterator[Fault]:
    registry, first = lab.settings(RegistrySettings).registry, lab.node_names[0]
    if (cache.node or first, cache.port) == (registry.node or first, registry.port):
        key = "hub_cache" if "hub_cache" in lab.model_fields_set else "registry"
        message = msg(
            "registry and hub_cache both use port {port} of {node}",
            port=cache.port,
            node=cache.node or first,
        )
        needs = ("machines" if lab.machines is not None else "nodes", "playbooks")
        yield Fault((key, "port"), message, msg("set another port for one of them"), needs)
