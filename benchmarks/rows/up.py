"""From nothing to working engines: three machines come up and are provisioned, the box present."""

from __future__ import annotations

import shutil
from collections.abc import Generator, Sequence
from dataclasses import replace

from benchmarks import lab as labs
from benchmarks import provisioning, virtual
from benchmarks.harness import LABCTL, Bench, Case, Contender, Target
from benchmarks.lab import Lab
from benchmarks.measuring import Sample
from benchmarks.virtual import Location
from benchmarks.witness import Witness
from benchmarks.work import Work
from tests.testbed import World

NAME = "up"
ABOUT = "up --nodes 3, box present (emulated virtual machines: minutes each)"
NODES = 3
SHELL, ANSIBLE, ONE = "vagrant up, shell", "vagrant up, then Ansible", "labctl up --nodes 1"


def cases(bench: Bench) -> Generator[Case]:
    world = World.current()
    names = [f"docker-node{number + 1}" for number in range(NODES)]
    with virtual.double(world, bench.say) as double:
        places = {
            name: double.place(f"{NAME}-{slug}", labs.spec(world), count)
            for name, slug, count in (
                (LABCTL, "labctl", NODES),
                (SHELL, "shell", NODES),
                (ANSIBLE, "ansible", NODES),
                (ONE, "one", 1),
            )
        }
        work = Work.of(places[LABCTL].folder)
        witness, single = Witness(work), Witness(Work.of(places[ONE].folder))
        keys = _digests(world, work)

        def clear() -> None:
            for place in places.values():
                place.destroy()
            shutil.rmtree(places[LABCTL].vagrant, ignore_errors=True)
            shutil.rmtree(places[ONE].vagrant, ignore_errors=True)

        def testify(place: Location, of: Witness, machines: Sequence[str]) -> None:
            of.testify(place.guests(machines))

        def by_shell() -> Sample:
            place = places[SHELL]
            return place.in_vagrant("vagrant", "up", "--provider=virtualbox").measure()

        def by_ansible() -> Sample:
            place = places[ANSIBLE]
            argv = ("vagrant", "up", "--provider=virtualbox", "--no-provision")
            up = place.in_vagrant(*argv).measure()
            lab = Lab.make(labs.scratch(world, "up-nodes"), place.targets(names), labs.spec(world))
            lab.give(work, keys)
            play = replace(lab.ansible(), timeout=3600).measure()
            return Sample(up.seconds + play.seconds, up.cpu + play.cpu, max(up.memory, play.memory))

        places[SHELL].write_vagrantfile(_provisioner(world, work, keys))
        places[ANSIBLE].write_vagrantfile()
        virtual.import_box(places[SHELL], names[0], bench.say)
        yield Case(
            NAME,
            "up --nodes 3, box present",
            [
                Contender(
                    LABCTL,
                    places[LABCTL].labctl("up", "--no-verify").measure,
                    clear,
                    lambda: testify(places[LABCTL], witness, names),
                ),
                Contender(SHELL, by_shell, clear, lambda: testify(places[SHELL], witness, names)),
                Contender(
                    ANSIBLE, by_ansible, clear, lambda: testify(places[ANSIBLE], witness, names)
                ),
                Contender(
                    ONE,
                    places[ONE].labctl("up", "--no-verify").measure,
                    clear,
                    lambda: testify(places[ONE], single, names[:1]),
                ),
            ],
            [
                Target(SHELL, at_most=0.6),
                Target(ANSIBLE, at_most=0.6),
                Target(ONE, at_most=1.15),
            ],
            warm_up=False,
            nodes=NODES,
        )


def _provisioner(world: World, work: Work, keys: dict[str, str]) -> str:
    lab = Lab.make(labs.scratch(world, "up-script"), [], labs.spec(world))
    lab.give(work, keys)
    script = lab.folder / "provision.sh"
    return (
        'Vagrant.configure("2") do |config|\n'
        f'  config.vm.provision "shell", path: "{script}"\n'
        "end\n"
    )


def _digests(world: World, work: Work) -> dict[str, str]:
    with provisioning.nodes(world, 1) as (node,):
        return labs.digests(work, node)
