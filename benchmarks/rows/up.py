"""From nothing to working engines: three machines come up and are provisioned, the box present.

Vagrant's own VirtualBox provider makes them, with the double of VBoxManage (tests/vbox); they are
emulated, and each wants a whole processor for two minutes.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Generator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from benchmarks import lab as labs
from benchmarks import provisioning
from benchmarks.harness import LABCTL, Bench, Case, Contender, Target
from benchmarks.lab import Host, Lab
from benchmarks.measuring import Command, Sample
from benchmarks.witness import Witness
from benchmarks.work import Work
from labctl.remote.target import parse_config
from tests.testbed import World
from tests.vbox import box, process
from tests.vbox.home import Home
from tests.vbox.network import Interfaces
from tests.vbox.registry import Registry

NAME = "up"
ABOUT = "up --nodes 3, box present (emulated virtual machines: minutes each)"
NODES = 3
SHELL, ANSIBLE, ONE = "vagrant up, shell", "vagrant up, then Ansible", "labctl up --nodes 1"
PROGRAMS = Path(box.__file__).with_name("bin")


@dataclass(frozen=True)
class Guest:
    """A virtual machine, as a witness looks at it."""

    name: str
    config: Path

    def sh(self, script: str, *, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run a bash script as root on it."""
        return subprocess.run(
            ["ssh", "-F", str(self.config), self.name, "sudo", "-n", "bash", "-s"],
            input=script, capture_output=True, text=True, check=check,
        )  # fmt: skip


@dataclass(frozen=True)
class Place:
    """A folder with a lab's Vagrantfile, for one contender.

    Parameters:
        folder: of the lab; Vagrant's is the one below it.
        environment: with VirtualBox's double in it.
    """

    folder: Path
    environment: dict[str, str]

    @property
    def vagrant(self) -> Path:
        return self.folder / ".labctl"

    def command(self, *argv: str) -> Command:
        return Command(argv, self.folder, self.environment, timeout=3600)

    def in_vagrant(self, *argv: str) -> Command:
        return replace(self.command(*argv), folder=self.vagrant)

    def destroy(self) -> None:
        if (self.vagrant / "Vagrantfile").exists():
            self.in_vagrant("vagrant", "destroy", "--force").measure()

    def targets(self, names: Sequence[str]) -> list[Host]:
        """Ask Vagrant how the machines are reached."""
        found = parse_config(self.in_vagrant("vagrant", "ssh-config", *names).output())
        return [Host(t.name, t.host, t.port, t.user, Path(t.keys[0])) for t in found]


def cases(bench: Bench) -> Generator[Case]:
    world = World.current()
    home = Home.of({"VBOX_DOUBLE_HOME": str(labs.scratch(world, "virtualbox") / "home")})
    vagrant_home = home.root.with_name("vagrant")
    box.add(box.cached(bench.say), vagrant_home)
    environment = {
        "PATH": f"{PROGRAMS}{os.pathsep}{os.environ['PATH']}",
        "VAGRANT_HOME": str(vagrant_home),
        "VBOX_DOUBLE_HOME": str(home.root),
        "VBOX_DOUBLE_VERSION": "6.1",
        "VAGRANT_CHECKPOINT_DISABLE": "1",
        "VAGRANT_BOX_UPDATE_CHECK_DISABLE": "1",
    }
    names = [f"docker-node{number + 1}" for number in range(NODES)]
    spec = {**labs.spec(world), "provider": "virtualbox", "memory": 768, "boot_timeout": 1800}
    places = {
        name: _place(labs.scratch(world, f"{NAME}-{slug}"), spec, environment, count)
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

    def testify(place: Place, of: Witness, machines: Sequence[str]) -> None:
        config = place.folder / "ssh_config"
        config.write_text(labs.ssh_config(place.targets(machines)), "utf-8")
        of.testify([Guest(name, config) for name in machines])

    def labctl(name: str) -> Command:
        return places[name].command(labs.labctl(), "up", "--no-verify")

    def by_shell() -> Sample:
        place = places[SHELL]
        return place.in_vagrant("vagrant", "up", "--provider=virtualbox").measure()

    def by_ansible() -> Sample:
        place = places[ANSIBLE]
        up = place.in_vagrant("vagrant", "up", "--provider=virtualbox", "--no-provision").measure()
        lab = Lab.make(labs.scratch(world, "up-nodes"), place.targets(names), labs.spec(world))
        lab.give(work, keys)
        play = replace(lab.ansible(), timeout=3600).measure()
        return Sample(up.seconds + play.seconds, up.cpu + play.cpu, max(up.memory, play.memory))

    try:
        _vagrantfile(places[SHELL], _provisioner(world, work, keys))
        _vagrantfile(places[ANSIBLE], "")
        bench.say("  the box is imported, which happens once on a machine")
        places[SHELL].in_vagrant("vagrant", "up", names[0], "--no-provision").measure()
        places[SHELL].destroy()
        yield Case(
            NAME,
            "up --nodes 3, box present",
            [
                Contender(
                    LABCTL,
                    labctl(LABCTL).measure,
                    clear,
                    lambda: testify(places[LABCTL], witness, names),
                ),
                Contender(SHELL, by_shell, clear, lambda: testify(places[SHELL], witness, names)),
                Contender(
                    ANSIBLE, by_ansible, clear, lambda: testify(places[ANSIBLE], witness, names)
                ),
                Contender(
                    ONE, labctl(ONE).measure, clear, lambda: testify(places[ONE], single, names[:1])
                ),
            ],
            [
                Target(SHELL, at_most=0.6),
                Target(ANSIBLE, at_most=0.6),
                Target(ONE, at_most=1.15),
            ],
            limit=2,
            warm_up=False,
            nodes=NODES,
        )
    finally:
        _end(home)


def _place(folder: Path, spec: dict[str, object], environment: dict[str, str], count: int) -> Place:
    whole = {**spec, "nodes": count}
    (folder / "lab.yaml").write_text(json.dumps(whole), "utf-8")
    return Place(folder, {**environment, "LABCTL_HOME": str(folder / "home")})


def _vagrantfile(place: Place, more: str) -> None:
    """Write the Vagrantfile that labctl would, and `more` after it."""
    text = place.command(labs.labctl(), "render").output()
    place.vagrant.mkdir(exist_ok=True)
    (place.vagrant / "Vagrantfile").write_text(text + more, "utf-8")


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


def _end(home: Home) -> None:
    """End every machine of the double, after a failure too."""
    registry = Registry(home)
    for machine in registry.all():
        process.stop(machine, registry.folder(machine))
    interfaces = Interfaces(home)
    for interface in interfaces.all():
        interfaces.remove(interface.name)
