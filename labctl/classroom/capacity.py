"""How much room a host has for machines of a class, as libvirt reports it."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass

_KIB = 1024
_MIB = 1024 * 1024

RESERVED = 1024
"""MiB of a host's memory that no machine gets: the host itself needs them."""

QUESTIONS = (
    "nodememstats",
    "echo == pool",
    "pool-info {pool} --bytes",
    "echo == machines",
    "domstats --raw --balloon --nowait",
    "echo == end",
)
"""virsh's commands; the last one always succeeds."""


@dataclass(frozen=True, slots=True)
class Capacity:
    """The room of a host, in MiB.

    Parameters:
        memory: that machines of the class may use, including those that exist.
        disk: that is free; None: unknown, because the storage pool does not exist yet.
        emulated: machines are emulated there, about ten times slower.
    """

    memory: int
    disk: int | None
    emulated: bool = False


def parse(text: str, ours: Collection[str], limit: int | None, *, emulated: bool) -> Capacity:
    """Return the capacity in the answers to `QUESTIONS`.

    A machine that is off counts with its whole memory, because it may be started.

    Parameters:
        text: the answers.
        ours: names of the class's machines on the host; they do not count as used.
        limit: MiB that the class may use at most.
        emulated: see `Capacity`.

    Raises:
        ValueError: the answers are not libvirt's.
    """
    memory, _, rest = text.partition("== pool")
    pool, _, machines = rest.partition("== machines")
    total = re.search(r"^total\s*:\s*(\d+) KiB", memory, re.MULTILINE)
    if total is None:
        raise ValueError("no total memory")
    used = 0
    name = ""
    for line in machines.splitlines():
        if found := re.match(r"Domain: '(.*)'", line):
            name = found[1]
        elif (found := re.match(r"\s*balloon\.maximum=(\d+)", line)) and name not in ours:
            used += int(found[1]) // _KIB
    free = max(0, int(total[1]) // _KIB - RESERVED - used)
    disk = re.search(r"^Available:\s*(\d+)", pool, re.MULTILINE)
    return Capacity(
        free if limit is None else min(limit, free),
        int(disk[1]) // _MIB if disk else None,
        emulated,
    )
