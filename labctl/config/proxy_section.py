"""The key `proxy` of lab.yaml. Its checks, and what follows from it, are in other modules."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field

from labctl.config import proxy
from labctl.config.proxy import ProxyAddress
from labctl.config.values import Is, Loose, Part

INHERIT = "inherit"


def _accepted(text: str) -> str:
    ProxyAddress.parse(text)
    return text


def _undotted(text: str) -> str:
    """Return a domain as every program reads it: curl does not know ``*.``."""
    return text.removeprefix("*")


ProxyUrl = Annotated[str, AfterValidator(_accepted)]


class Proxy(Part):
    """The proxy through which the nodes, and Vagrant on this computer, reach the Internet."""

    http: ProxyUrl | None = Field(
        default=None,
        description="Proxy for http addresses, as http://[USER:PASSWORD@]HOST:PORT.",
        examples=["http://proxy.school.example:3128"],
    )
    https: ProxyUrl | None = Field(
        default=None,
        description="Proxy for https addresses, such as Docker Hub's. It is an http URL too.",
        examples=["http://proxy.school.example:3128"],
    )
    no_proxy: Annotated[
        tuple[Annotated[str, Is(proxy.BYPASS), AfterValidator(_undotted)], ...],
        Loose,
        BeforeValidator(proxy.entries, json_schema_input_type=str | list[str]),
    ] = Field(
        default=(),
        description="Hosts, domains and networks to reach directly, in addition to the lab's nodes "
        "and to servers with private addresses in this file.",
        examples=[["mirror.school.example"]],
    )
    inherit: bool = Field(
        default=False,
        description="Take http, https and no_proxy from the environment of this computer.",
        examples=[True],
    )
    containers: bool = Field(
        default=True,
        description="Also set the proxy in image builds and new containers of the lab's users. "
        "false keeps it out of them.",
        examples=[False],
    )


def short(value: object) -> object:
    """Accept ``proxy: inherit`` and ``proxy: URL``."""
    if value == INHERIT:
        return {"inherit": True}
    return dict.fromkeys(proxy.SCHEMES, value) if isinstance(value, str) else value


ProxyKey = Annotated[Proxy, BeforeValidator(short, json_schema_input_type=str | Proxy)]
