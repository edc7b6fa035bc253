"""Copying on a local link: one big file, and many small ones."""

from __future__ import annotations

from collections.abc import Generator

from benchmarks.copying import RSYNC, SCP, VAGRANT_SCP, copiers
from benchmarks.harness import LABCTL, Bench, Case, Target
from tests.testbed import World

NAME = "scp"
ABOUT = "scp on a local link: a file of 512 MB, a tree of 5,000 files; both ways"
NAMES = (LABCTL, SCP, RSYNC, VAGRANT_SCP)
# 0.9 times scp's rate is 1.11 times its time.
SLOWEST = Target(SCP, at_most=1.11)


def cases(bench: Bench) -> Generator[Case]:
    with copiers(World.current(), NAME) as (file, tree):
        for name, what, copier, target in (
            ("file", "512 MB", file, SLOWEST),
            ("tree", "5,000 small files", tree, Target(SCP, at_least=4)),
        ):
            yield Case(f"{NAME}/{name}-up", f"{what} to a node", copier.up(NAMES), [target])
            yield Case(f"{NAME}/{name}-down", f"{what} from a node", copier.down(NAMES), [target])
