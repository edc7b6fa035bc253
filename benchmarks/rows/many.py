"""A hundred and three hundred nodes: does memory stay flat, does work grow no faster than the lab?

So many machines do not fit on one, so they are simulated: one sshd of this machine answers at as
many addresses of the loopback network. What the nodes cost is then on the same two processors as
what the contenders cost, and all "nodes" share one file system; so the work is files, blocks and
links in one folder, and there is nothing to do.
"""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path

from benchmarks import lab as labs
from benchmarks.harness import LABCTL, Bench, Case, Contender, Target
from benchmarks.lab import PEERS, Host, Lab
from benchmarks.measuring import Command
from benchmarks.provisioning import ANSIBLE, PYINFRA, forget_sockets
from benchmarks.simulated import Here, Sshd
from benchmarks.witness import Witness
from benchmarks.work import Work
from tests.testbed import World

NAME = "many"
ABOUT = "100 and 300 simulated nodes, nothing to do"
SIZES = (100, 300)
FORKS = 32


def cases(bench: Bench) -> Generator[Case]:
    folder = labs.scratch(World.current(), NAME)
    files = folder / "files"
    files.mkdir()
    with Sshd(folder / "sshd") as sshd:
        # Everything is wrong on one of them, and each contender has to see it.
        lab, witness = _lab(folder / "one", files, sshd.hosts(1))
        for name, command in _commands(lab).items():
            witness.spoil([Here()])
            command.measure()
            witness.testify([Here()])
            bench.say(f"  everything was wrong, and {name} saw it")
        for size in SIZES:
            lab, witness = _lab(folder / str(size), files, sshd.hosts(size))
            lab.labctl("provision").measure()  # host keys and facts are known from now on
            yield Case(
                f"{NAME}/{size}",
                f"nothing to do, {size} simulated nodes",
                [
                    _contender(name, lab, command, witness)
                    for name, command in _commands(lab).items()
                ],
                [Target(ANSIBLE, at_least=10)],
                warm_up=False,
                nodes=size,
            )


def _lab(folder: Path, files: Path, hosts: list[Host]) -> tuple[Lab, Witness]:
    play = folder / "playbooks/simulated/play.py"
    play.parent.mkdir(parents=True)
    text = (PEERS / "labctl/simulated.py").read_text("utf-8")
    play.write_text(text.replace("@FOLDER@", str(files)), "utf-8")
    spec = {"playbooks": ["simulated"]}
    lab = Lab.make(folder, hosts, spec, forks=FORKS, python="/usr/bin/python3")
    work = Work.of(folder)
    lab.give(work, {})
    return lab, Witness(work)


def _commands(lab: Lab) -> dict[str, Command]:
    return {
        LABCTL: lab.labctl("provision"),
        ANSIBLE: lab.ansible(PEERS / "ansible/simulated.yml"),
        PYINFRA: lab.pyinfra(PEERS / "pyinfra/simulated.py"),
    }


def _contender(name: str, lab: Lab, command: Command, witness: Witness) -> Contender:
    def check() -> None:
        witness.testify([Here()])
        # Three hundred connections that are kept open would slow those who come next.
        forget_sockets(lab)

    return Contender(name, command.measure, check=check)
