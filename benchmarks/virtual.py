"""Virtual machines for rows about machines coming up: Vagrant's VirtualBox provider and its double.

The machines are emulated, and each wants a whole processor while it boots.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from benchmarks import lab as labs
from benchmarks.harness import Say
from benchmarks.lab import Host
from benchmarks.measuring import Command
from labctl.remote.target import parse_config
from tests.testbed import World
from tests.vbox import box, ending
from tests.vbox.home import Home

_PROGRAMS = Path(box.__file__).with_name("bin")


@dataclass(frozen=True)
class Guest:
    """A virtual machine, as a witness sees it."""

    name: str
    config: Path

    def sh(self, script: str, *, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run a bash script as root on it."""
        return subprocess.run(
            ["ssh", "-F", str(self.config), self.name, "sudo", "-n", "bash", "-s"],
            input=script, capture_output=True, text=True, check=check,
        )  # fmt: skip


@dataclass(frozen=True)
class Location:
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

    def labctl(self, *arguments: str) -> Command:
        return self.command(labs.labctl(), *arguments)

    def in_vagrant(self, *argv: str) -> Command:
        return replace(self.command(*argv), folder=self.vagrant)

    def destroy(self) -> None:
        if (self.vagrant / "Vagrantfile").exists():
            self.in_vagrant("vagrant", "destroy", "--force").measure()

    def write_vagrantfile(self, more: str = "") -> None:
        """Write the Vagrantfile that labctl would, and `more` after it."""
        text = self.labctl("render").output()
        self.vagrant.mkdir(exist_ok=True)
        (self.vagrant / "Vagrantfile").write_text(text + more, "utf-8")

    def targets(self, names: Sequence[str]) -> list[Host]:
        """Ask Vagrant how the machines are reached."""
        found = parse_config(self.in_vagrant("vagrant", "ssh-config", *names).output())
        return [Host(t.name, t.host, t.port, t.user, Path(t.keys[0])) for t in found]

    def guests(self, names: Sequence[str]) -> list[Guest]:
        """Return the machines as a witness sees them."""
        config = self.folder / "ssh_config"
        config.write_text(labs.ssh_config(self.targets(names)), "utf-8")
        return [Guest(name, config) for name in names]


@dataclass(frozen=True)
class Double:
    """VirtualBox's double, with a home and a Vagrant of its own.

    Parameters:
        world: where it runs.
        environment: what makes programs use it.
    """

    world: World
    environment: dict[str, str]

    def place(self, name: str, spec: dict[str, Any], count: int) -> Location:
        """Make a folder for one contender with `count` nodes."""
        whole = {**spec, "provider": "virtualbox", "memory": 768, "boot_timeout": 1800}
        folder = labs.scratch(self.world, name)
        (folder / "lab.yaml").write_text(json.dumps({**whole, "nodes": count}), "utf-8")
        return Location(folder, {**self.environment, "LABCTL_HOME": str(folder / "home")})


@contextlib.contextmanager
def double(world: World, say: Say) -> Iterator[Double]:
    """Set the double up, its box added to Vagrant; end every machine of it in the end."""
    home = Home.of({"VBOX_DOUBLE_HOME": str(labs.scratch(world, "virtualbox") / "home")})
    vagrant_home = home.root.with_name("vagrant")
    box.add(box.cached(), vagrant_home)
    environment = {
        "PATH": f"{_PROGRAMS}{os.pathsep}{os.environ['PATH']}",
        "VAGRANT_HOME": str(vagrant_home),
        "VBOX_DOUBLE_HOME": str(home.root),
        "VBOX_DOUBLE_VERSION": "6.1",
        "VAGRANT_CHECKPOINT_DISABLE": "1",
        "VAGRANT_BOX_UPDATE_CHECK_DISABLE": "1",
    }
    try:
        yield Double(world, environment)
    finally:
        ending.end_all(home)


def import_box(place: Location, name: str, say: Say) -> None:
    """Let Vagrant import the box, which it does once on a machine, before anything is measured."""
    say("  the box is imported, which happens once on a machine")
    place.in_vagrant("vagrant", "up", name, "--no-provision").measure()
    place.destroy()
