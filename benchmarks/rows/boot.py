"""Machines come up and nothing else: what labctl's order of work gains over Vagrant's own."""

from __future__ import annotations

import shutil
from collections.abc import Generator

from benchmarks import lab as labs
from benchmarks import virtual
from benchmarks.errors import BenchError
from benchmarks.harness import LABCTL, Bench, Case, Contender, Target
from benchmarks.virtual import Location
from tests.testbed import World

NAME = "boot"
ABOUT = "4 machines come up, box present, nothing provisioned (emulated: minutes)"
NODES = 4
VAGRANT = "vagrant up"


def cases(bench: Bench) -> Generator[Case]:
    world = World.current()
    names = [f"docker-node{number + 1}" for number in range(NODES)]
    spec = {**labs.spec(world), "playbooks": []}
    with virtual.double(world, bench.say) as double:
        ours, theirs = (double.place(f"{NAME}-{who}", spec, NODES) for who in ("labctl", "vagrant"))

        def clear() -> None:
            for place in (ours, theirs):
                place.destroy()
            shutil.rmtree(ours.vagrant, ignore_errors=True)

        def testify(place: Location) -> None:
            for guest in place.guests(names):
                if guest.sh("hostname").stdout.strip() != guest.name:
                    raise BenchError(f"{guest.name} is not what it is called")

        theirs.write_vagrantfile()
        virtual.import_box(theirs, names[0], bench.say)
        yield Case(
            NAME,
            "4 machines come up, nothing provisioned",
            [
                Contender(
                    LABCTL,
                    ours.labctl("up", "--no-verify").measure,
                    clear,
                    lambda: testify(ours),
                ),
                Contender(
                    VAGRANT,
                    theirs.in_vagrant("vagrant", "up", "--provider=virtualbox").measure,
                    clear,
                    lambda: testify(theirs),
                ),
            ],
            [Target(VAGRANT, at_most=0.6)],
            warm_up=False,
            nodes=NODES,
        )
