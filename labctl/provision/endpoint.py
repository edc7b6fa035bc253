"""Where a service of the lab is."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A service of the lab: the name of the node that runs it, and its port."""

    node: str
    port: int

    @property
    def address(self) -> str:
        """HOST:PORT, by which the engines of the nodes reach it."""
        return f"{self.node}:{self.port}"
