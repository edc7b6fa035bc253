"""Shared by the rows about provisioning: nodes, the four ways to provision them, the proof."""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Iterator, Sequence

from benchmarks import lab as labs
from benchmarks.harness import LABCTL, Contender, Say
from benchmarks.lab import Host, Lab
from benchmarks.measuring import Command
from benchmarks.witness import Witness
from benchmarks.work import Work
from tests.testbed import Node, World

ANSIBLE, PYINFRA, SCRIPT = "Ansible", "pyinfra", "shell script over ssh"
ASKING = "the same script, asking what labctl asks"


@contextlib.contextmanager
def nodes(world: World, count: int) -> Iterator[list[Node]]:
    """Boot fresh nodes, and remove them in the end."""
    made: list[Node] = []
    try:
        for index in range(count):
            made.append(world.nspawn(f"docker-node{index + 1}"))
        yield made
    finally:
        for node in made:
            node.remove()


def prepared(world: World, machines: Sequence[Node], name: str) -> tuple[Lab, Witness]:
    """Return a lab of these machines that every contender can provision, and its witness."""
    lab = Lab.make(
        labs.scratch(world, name), [Host.of(node) for node in machines], labs.spec(world)
    )
    work = Work.of(lab.folder)
    lab.give(work, labs.digests(work, machines[0]))
    return lab, Witness(work, labs.OLDER)


def commands(lab: Lab) -> dict[str, Command]:
    """Return the four ways to provision a lab."""
    return {
        LABCTL: lab.labctl("provision"),
        ANSIBLE: lab.ansible(),
        PYINFRA: lab.pyinfra(),
        SCRIPT: lab.script(),
    }


def idle(
    lab: Lab, machines: Sequence[Node], witness: Witness, say: Say, *, spoil: bool
) -> list[Contender]:
    """Return the contenders of a provision that has nothing to do.

    Each of them first repairs every drift, which proves that it checks everything.
    """
    found: list[Contender] = []
    for name, command in commands(lab).items():
        if spoil:
            witness.spoil(machines)
            say(f"  everything is wrong on {len(machines)} nodes; {name} has to see it")
        command.measure()
        witness.testify(machines)
        found.append(Contender(name, command.measure, check=lambda: witness.testify(machines)))
    return found


def forget_sockets(lab: Lab) -> None:
    """End the ssh connections that Ansible keeps open; their machines are gone."""
    for socket in lab.sockets.glob("*"):
        subprocess.run(
            ["ssh", "-O", "exit", "-o", f"ControlPath={socket}", "-"],
            check=False,
            capture_output=True,
        )
        socket.unlink(missing_ok=True)
