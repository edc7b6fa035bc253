"""python -m tests.testbed: see the README beside this file."""

from __future__ import annotations

import argparse
import os
import sys
import time
from pathlib import Path

from tests.testbed import demo, install, lifecycle
from tests.testbed.errors import TestbedError
from tests.testbed.sources import overrides, to_yaml
from tests.testbed.stages import cache


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tests.testbed",
        description="Stand-ins for CentOS 7 machines and for the sites that they install from.",
    )
    parser.add_argument("--world", default="test", metavar="NAME", help="default: test")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("install", help="install the Debian packages that the testbed needs")
    whole = commands.add_parser("demo", help="all that `make demo` does")
    whole.add_argument("folder", type=Path, help="where the lab is kept")
    commands.add_parser("build", help="build what is not in the cache yet")
    commands.add_parser("up", help="start the world")
    run = commands.add_parser("run", help="run a command in the world")
    run.add_argument("argv", nargs=argparse.REMAINDER, metavar="[--] COMMAND")
    commands.add_parser("shell", help="a shell in the world")
    commands.add_parser("down", help="end the world and everything in it")
    commands.add_parser("status", help="show whether the world runs")
    yaml = commands.add_parser("lab-yaml", help="print the `sources` of a lab.yaml")
    yaml.add_argument("--provider", default="libvirt", help="same for all so far")
    return parser


def main() -> int:
    """Run the command line; return the exit code."""
    chosen = _parser().parse_args()
    world: str = chosen.world
    start = time.monotonic()
    try:
        match chosen.command:
            case "install":
                install.everything()
            case "demo":
                return demo.run(chosen.folder.resolve())
            case "build":
                cache().build()
            case "up":
                state = lifecycle.up(world)
                seconds = time.monotonic() - start
                print(f"{world}: up at {state.service_address} after {seconds:.1f} s")
            case "run":
                command = chosen.argv[1:] if chosen.argv[:1] == ["--"] else chosen.argv
                if not command:
                    raise TestbedError("run: which command?")
                return lifecycle.run(world, command)
            case "shell":
                # Of all that runs here, only the nodes trust the stand-ins' certificates by nature.
                os.environ["SSL_CERT_FILE"] = str(cache().folder("keys") / "ca.crt")
                return lifecycle.run(world, [os.environ.get("SHELL", "/bin/bash")])
            case "down":
                lifecycle.down(world)
                print(f"{world}: down")
            case "status":
                print(lifecycle.status(world))
                return 0 if lifecycle.is_up(world) else 3
            case _:
                folder = cache().folder
                if cache().missing():
                    raise TestbedError("not built yet. Run: python -m tests.testbed build")
                print(to_yaml(overrides(folder("keys"), folder("compose"))), end="")
    except TestbedError as problem:
        print(f"testbed: {problem}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("testbed: interrupted", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
