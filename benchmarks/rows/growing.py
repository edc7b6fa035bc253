"""A lab that grows: what one more node costs when there is nothing to do."""

from __future__ import annotations

from collections.abc import Generator

from benchmarks import provisioning
from benchmarks.harness import Bench, Case
from tests.testbed import World

NAME = "growing"
ABOUT = "a growing lab: 1, 2, 4, 8 nodes, nothing to do"
SIZES = (1, 2, 4, 8)


def cases(bench: Bench) -> Generator[Case]:
    world = World.current()
    with provisioning.nodes(world, max(SIZES)) as machines:
        for size in SIZES:
            some = machines[:size]
            lab, witness = provisioning.prepared(world, some, f"{NAME}-{size}")
            lab.labctl("provision").measure()
            witness.testify(some)
            yield Case(
                f"{NAME}/{size}",
                f"nothing to do, {size} {'node' if size == 1 else 'nodes'}",
                # With two nodes the row `second-provision` has shown that each checks everything.
                provisioning.idle(lab, some, witness, bench.say, spoil=False),
                nodes=size,
            )
