"""The first provision: machines as they come from their box, and in the end a working engine."""

from __future__ import annotations

from collections.abc import Generator

from benchmarks import provisioning
from benchmarks.harness import Bench, Case, Contender, Target
from benchmarks.measuring import Command
from benchmarks.provisioning import ANSIBLE, ASKING, PYINFRA, SCRIPT
from tests.testbed import World

NAME = "first-provision"
ABOUT = "the first provision, 2 nodes"
NODES = 2


def cases(bench: Bench) -> Generator[Case]:
    world = World.current()
    machines = [world.nspawn(f"docker-node{index + 1}") for index in range(NODES)]
    lab, witness = provisioning.prepared(world, machines, NAME)
    addresses = [node.address for node in machines]

    def fresh() -> None:
        """Throw the machines away and boot new ones, of the same names and addresses."""
        for node in machines:
            node.remove()
        machines[:] = [world.nspawn(f"docker-node{index + 1}") for index in range(NODES)]
        assert [node.address for node in machines] == addresses
        lab.forget()
        provisioning.forget_sockets(lab)

    def contender(name: str, command: Command) -> Contender:
        return Contender(
            name, command.measure, prepare=fresh, check=lambda: witness.testify(machines)
        )

    commands = {**provisioning.commands(lab), ASKING: lab.script(asking=True)}
    try:
        yield Case(
            NAME,
            "first provision, 2 nodes",
            [contender(name, command) for name, command in commands.items()],
            [
                Target(ANSIBLE, at_least=1),
                Target(PYINFRA, at_least=1),
                Target(SCRIPT, at_most=1.1),
                Target(ASKING, at_most=1.1),
            ],
            nodes=NODES,
            note="labctl also measures on each node whether Docker Hub answers and which "
            "certificates the node trusts; of the others only the last one does",
        )
    finally:
        for node in machines:
            node.remove()
