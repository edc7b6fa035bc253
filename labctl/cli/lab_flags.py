"""Flags that define the lab. They override lab.yaml, and `up` remembers them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from labctl.cli import completion
from labctl.messages import msg

Nodes = Annotated[
    str | None,
    typer.Option(
        "--nodes", "-n", metavar="N", help="Number of nodes: docker-node1 … docker-nodeN."
    ),
]
Provider = Annotated[
    str | None,
    typer.Option(
        "--provider",
        metavar="NAME",
        help="virtualbox or libvirt; default: the installed one.",
        autocompletion=completion.providers,
    ),
]
Memory = Annotated[
    str | None, typer.Option("--memory", metavar="MIB", help="Memory of each node in MiB.")
]
Cpus = Annotated[str | None, typer.Option("--cpus", metavar="N", help="Processors of each node.")]
Toolchain = Annotated[
    str | None,
    typer.Option(
        "--toolchain",
        metavar="NAME",
        help="course (Docker 19.03.9) or latest-el7 (Docker 26.1.4).",
        autocompletion=completion.toolchains,
    ),
]

Kit = Annotated[
    Path | None,
    typer.Option(
        "--kit",
        metavar="FOLDER",
        help="Take everything from this kit instead of the network; see `labctl kit`.",
    ),
]
NoKit = Annotated[bool, typer.Option("--no-kit", help="Use the network again.")]

Flags = dict[str, tuple[object, str]]


def given(
    nodes: str | None = None,
    provider: str | None = None,
    memory: str | None = None,
    cpus: str | None = None,
    toolchain: str | None = None,
) -> Flags:
    """Return the flags that were given, by key of lab.yaml.

    Raises:
        UsageError: a flag that takes a number has none.
    """
    values: Flags = {
        "nodes": (_number(nodes, "--nodes"), "--nodes"),
        "provider": (provider, "--provider"),
        "memory": (_number(memory, "--memory"), "--memory"),
        "cpus": (_number(cpus, "--cpus"), "--cpus"),
        "toolchain": (toolchain, "--toolchain"),
    }
    return {key: value for key, value in values.items() if value[0] is not None}


def given_kit(kit: Path | None, no_kit: bool) -> Flags:
    """Return the flag for the kit, by key of lab.yaml; None is a value of it.

    Raises:
        UsageError: both flags were given.
    """
    if kit is not None and no_kit:
        from labctl.errors import UsageError

        raise UsageError("--kit and --no-kit exclude each other", hint="leave one of them out")
    if kit is None:
        return {"kit": (None, "--no-kit")} if no_kit else {}
    return {"kit": (kit.absolute().as_posix(), "--kit")}


def _number(text: str | None, flag: str) -> int | None:
    """Return the number that a flag was given; None if it was not given."""
    if text is None:
        return None
    if text.isascii() and text.removeprefix("-").isdigit():
        return int(text)
    from labctl.config.numbers import number_hint
    from labctl.errors import UsageError

    raise UsageError(
        msg("{flag} must be a whole number, is {value!r}", flag=flag, value=text),
        hint=number_hint(flag.removeprefix("--"), text),
    )
