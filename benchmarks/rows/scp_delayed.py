"""Copying over a line with 20 ms of delay, on which every round trip shows."""

from __future__ import annotations

from collections.abc import Generator

from benchmarks.copying import RSYNC, SCP, copiers
from benchmarks.delay import delayed
from benchmarks.harness import LABCTL, Bench, Case, Target
from tests.testbed import World

NAME = "scp-delayed"
ABOUT = "scp with 20 ms of delay: a file of 512 MB, a tree of 5,000 files; both ways"
# vagrant-scp runs the same scp -r.
NAMES = (LABCTL, SCP, RSYNC)
DELAY = 20.0


def cases(bench: Bench) -> Generator[Case]:
    with copiers(World.current(), NAME) as (file, tree):
        link = f"ve-{file.node.address.rpartition('.')[2]}"
        with delayed(link, DELAY):
            for name, what, copier, target in (
                ("file", "512 MB", file, Target(SCP, at_most=1.11)),
                ("tree", "5,000 small files", tree, Target(SCP, at_least=20)),
            ):
                for way, contenders in (("up", copier.up), ("down", copier.down)):
                    # scp waits seven minutes for the line, with a tree.
                    yield Case(
                        f"{NAME}/{name}-{way}",
                        f"{what} {'to' if way == 'up' else 'from'} a node, 20 ms",
                        contenders(NAMES, at_once=(SCP,) if copier is tree else ()),
                        [target],
                    )
