"""The address of a service of the lab."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A service of the lab: the name of the node that runs it, and its port."""

    node: str
    port: int

    @property
    def address(self) -> str:
        """HOST:PORT, which the nodes' engines use."""
        return f"{self.node}:{self.port}"
