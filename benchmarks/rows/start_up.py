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
LIBRARIES = "the libraries that it needs, alone"


def cases(bench: Bench) -> Generator[Case]:
    folder = labs.scratch(World.current(), NAME)
    (folder / "lab.yaml").write_text("nodes: 2\nprovider: libvirt\n", "utf-8")
    floor = Command([sys.executable, "-c", "import typer"], folder)
    # pydantic imports its parts when they are first asked for.
    needed = "import typer, ruamel.yaml, jinja2.sandbox, pydantic; pydantic.BaseModel"
    libraries = Command([sys.executable, "-c", needed], folder)
    for words in (["--help"], ["--version"], ["render"]):
        command = Command([labs.labctl(), *words], folder)
        contenders = [Contender(LABCTL, command.measure), Contender(FLOOR, floor.measure)]
        if words == ["render"]:
            contenders.append(Contender(LIBRARIES, libraries.measure))
        yield Case(
            f"{NAME}/{words[0].strip('-')}",
            f"labctl {words[0]}",
            contenders,
            [Target(FLOOR, at_most=2.0)],
        )
