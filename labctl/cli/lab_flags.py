"""Flags that define the lab. They override lab.yaml, and `up` remembers them."""

from __future__ import annotations

from typing import Annotated

import typer

Nodes = Annotated[
    int | None,
    typer.Option(
        "--nodes", "-n", metavar="N", help="Number of nodes: docker-node1 … docker-nodeN."
    ),
]
Provider = Annotated[
    str | None,
    typer.Option(
        "--provider", metavar="NAME", help="virtualbox or libvirt; default: the installed one."
    ),
]
Memory = Annotated[
    int | None, typer.Option("--memory", metavar="MIB", help="Memory of each node in MiB.")
]
Cpus = Annotated[int | None, typer.Option("--cpus", metavar="N", help="Processors of each node.")]
Toolchain = Annotated[
    str | None,
    typer.Option(
        "--toolchain", metavar="NAME", help="course (Docker 19.03.9) or latest-el7 (Docker 26.1.4)."
    ),
]

Flags = dict[str, tuple[object, str]]


def given(
    nodes: int | None = None,
    provider: str | None = None,
    memory: int | None = None,
    cpus: int | None = None,
    toolchain: str | None = None,
) -> Flags:
    """Return the flags that were given, by key of lab.yaml."""
    values: Flags = {
        "nodes": (nodes, "--nodes"),
        "provider": (provider, "--provider"),
        "memory": (memory, "--memory"),
        "cpus": (cpus, "--cpus"),
        "toolchain": (toolchain, "--toolchain"),
    }
    return {key: value for key, value in values.items() if value[0] is not None}
