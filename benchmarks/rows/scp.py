"""Copying on a local link: one big file, and many small ones."""

from __future__ import annotations

import tempfile
from collections.abc import Generator
from pathlib import Path

from benchmarks import copying, provisioning
from benchmarks import lab as labs
from benchmarks.copying import RSYNC, SCP, VAGRANT_SCP, Copier
from benchmarks.harness import LABCTL, Bench, Case, Target
from benchmarks.lab import Host, Lab
from tests.testbed import World

NAME = "scp"
ABOUT = "scp on a local link: a file of 512 MB, a tree of 5,000 files; both ways"
NAMES = (LABCTL, SCP, RSYNC, VAGRANT_SCP)
# 0.9 times scp's rate is 1.11 times its time.
SLOWEST = Target(SCP, at_most=1.11)


def cases(bench: Bench) -> Generator[Case]:
    world = World.current()
    with (
        provisioning.nodes(world, 1) as (node,),
        tempfile.TemporaryDirectory(dir=copying.MEMORY) as memory,
    ):
        back = Path(memory)
        folder = labs.scratch(world, NAME)
        lab = Lab.make(folder, [Host.of(node)], labs.spec(world))
        file, tree = folder / "file", folder / "tree"
        copying.make_file(file)
        copying.make_tree(tree)
        for name, what, source, target in (
            ("file", "512 MB", file, SLOWEST),
            ("tree", "5,000 small files", tree, Target(SCP, at_least=4)),
        ):
            copier = Copier(lab, node, source, back / "copy")
            yield Case(f"{NAME}/{name}-up", f"{what} to a node", copier.up(NAMES), [target])
            yield Case(f"{NAME}/{name}-down", f"{what} from a node", copier.down(NAMES), [target])
