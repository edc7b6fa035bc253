"""A second provision, with nothing to do: what everybody runs every day."""

from __future__ import annotations

from collections.abc import Generator

from benchmarks import provisioning
from benchmarks.harness import Bench, Case, Target
from benchmarks.provisioning import ANSIBLE, PYINFRA, SCRIPT
from tests.testbed import World

NAME = "second-provision"
ABOUT = "a second provision, nothing to do, 2 nodes"


def cases(bench: Bench) -> Generator[Case]:
    world = World.current()
    with provisioning.nodes(world, 2) as machines:
        lab, witness = provisioning.prepared(world, machines, NAME)
        lab.labctl("provision").measure()
        witness.testify(machines)
        yield Case(
            NAME,
            "second provision, nothing to do, 2 nodes",
            provisioning.idle(lab, machines, witness, bench.say, spoil=True),
            [
                Target(ANSIBLE, at_least=12),
                Target(PYINFRA, at_least=5),
                Target(SCRIPT, at_most=2.0),
            ],
            nodes=2,
        )
