"""One node of a lab, as everything but the model of lab.yaml sees it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Node:
    """A node with every default filled in.

    Parameters:
        name: its host name.
        address: the one that the other nodes use; None if it is not known, which only happens to a
            machine that exists already.
        memory: in MiB; 0 for a machine that exists already.
        cpus: virtual CPUs; 0 for a machine that exists already.
    """

    name: str
    address: str | None
    memory: int
    cpus: int
