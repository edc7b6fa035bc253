"""python -m benchmarks: see the README beside this file."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
import traceback
from pathlib import Path

from benchmarks import environment, figures, installing, report, rows
from benchmarks.errors import BenchError
from benchmarks.harness import Bench, Row, measure
from benchmarks.results import Results
from tests.testbed import install, lifecycle, state
from tests.testbed.errors import TestbedError
from tests.testbed.stages import cache

WORLD = "bench"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--rows", default="", metavar="NAME,…", help="default: all")
    parser.add_argument("--runs", type=int, default=5, help="rounds that count (default: 5)")
    parser.add_argument("--warm-ups", type=int, default=1, help="rounds before them (default: 1)")
    parser.add_argument("--resume", action="store_true", help="leave out rows that are measured")
    parser.add_argument("--list", action="store_true", help="print the rows and end")
    parser.add_argument("--render", action="store_true", help="write table and plot, run nothing")
    parser.add_argument(
        "--results", type=Path, default=figures.RESULTS, metavar="FILE",
        help="samples; the table and the plot are written only if it is %(default)s",
    )  # fmt: skip
    parser.add_argument("--world", default=WORLD, help="name of the testbed's world (%(default)s)")
    return parser


def main() -> int:
    """Run the command line; return the exit code."""
    chosen = _parser().parse_args()
    names = [name for name in chosen.rows.split(",") if name]
    try:
        picked = rows.pick(names)
        if chosen.list:
            for row in picked:
                print(f"{row.NAME:18} {row.ABOUT}")
            return 0
        if chosen.render:
            report.write(chosen.results)
            return 0
        if state.VARIABLE in os.environ:
            return _inside(chosen, picked)
        return _outside(chosen)
    except (BenchError, TestbedError) as problem:
        print(f"benchmarks: {problem}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("benchmarks: interrupted; --resume goes on", file=sys.stderr)
        return 130


def _outside(chosen: argparse.Namespace) -> int:
    """Prepare the host, go into a world, and throw the world away with all that runs in it."""
    install.everything()
    cache().build()
    installing.install()
    if lifecycle.is_up(chosen.world):
        raise BenchError(f"the world {chosen.world} is up: let it end, or name another by --world")
    lifecycle.down(chosen.world)
    lifecycle.up(chosen.world)
    try:
        # By a process of its own, for to enter a world is to leave this one for good.
        enter = [sys.executable, "-m", "tests.testbed", "--world", chosen.world, "run", "--"]
        argv = [*enter, sys.executable, "-m", "benchmarks", *sys.argv[1:]]
        code = subprocess.run(argv, check=False).returncode
    finally:
        lifecycle.down(chosen.world)
    if chosen.results.resolve() == figures.RESULTS.resolve() and chosen.results.exists():
        report.write(chosen.results)
    return code


def _inside(chosen: argparse.Namespace, picked: list[Row]) -> int:
    """Run the rows; one that fails does not keep the others from being run."""

    def say(line: str) -> None:
        print(line, flush=True)

    bench = Bench(chosen.runs, chosen.warm_ups, say)
    results = Results(chosen.results, environment.describe())
    failed: list[str] = []
    for row in picked:
        if chosen.resume and results.finished(row.NAME):
            say(f"{row.NAME}: measured already")
            continue
        say(f"{row.NAME}: {row.ABOUT}")
        start = time.monotonic()
        cases = row.cases(bench)
        try:
            measured = [measure(case, bench) for case in cases]
        except (BenchError, TestbedError) as problem:
            failed.append(row.NAME)
            say(f"{row.NAME} FAILED: {problem}")
            continue
        except Exception:  # a defect of one row, which must not cost the hours of the others
            failed.append(row.NAME)
            say(f"{row.NAME} FAILED: {traceback.format_exc()}")
            continue
        finally:
            cases.close()
        seconds = time.monotonic() - start
        results.put(row.NAME, row.ABOUT, measured, seconds)
        say(f"{row.NAME}: finished after {seconds:.0f} s")
    if failed:
        say(f"failed: {', '.join(failed)}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
