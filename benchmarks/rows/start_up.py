"""How long it takes until labctl does anything at all."""

from __future__ import annotations

import sys
from collections.abc import Generator

from benchmarks import lab as labs
from benchmarks.harness import LABCTL, Bench, Case, Contender, Target
from benchmarks.measuring import Command
from tests.testbed import World

NAME = "start-up"
ABOUT = "start-up: --help, --version, render"
FLOOR = 'python -c "import typer"'


def cases(bench: Bench) -> Generator[Case]:
    folder = labs.scratch(World.current(), NAME)
    (folder / "lab.yaml").write_text("nodes: 2\nprovider: libvirt\n", "utf-8")
    floor = Command([sys.executable, "-c", "import typer"], folder)
    for words in (["--help"], ["--version"], ["render"]):
        command = Command([labs.labctl(), *words], folder)
        yield Case(
            f"{NAME}/{words[0].strip('-')}",
            f"labctl {words[0]}",
            [Contender(LABCTL, command.measure), Contender(FLOOR, floor.measure)],
            [Target(FLOOR, at_most=2.0)],
        )
