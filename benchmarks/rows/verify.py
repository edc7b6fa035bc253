"""The checks: by labctl, and by the pytest and testinfra that it is built on."""

from __future__ import annotations

import os
import shlex
import sys
import xml.etree.ElementTree as ET
from collections.abc import Generator, Sequence
from pathlib import Path

from benchmarks import provisioning
from benchmarks.errors import BenchError
from benchmarks.harness import LABCTL, Bench, Case, Contender, Target
from benchmarks.lab import Lab
from benchmarks.measuring import Command
from tests.testbed import World

NAME = "verify"
ABOUT = "verify, 2 nodes"
PYTEST = "pytest --hosts=ssh://…"
SPLIT = "the same, nodes side by side"
FOLDER = Path(__file__).resolve().parents[2] / "playbooks"
PLAYBOOKS = ("repos", "hosts", "engine", "mirrors", "compose")


def cases(bench: Bench) -> Generator[Case]:
    world = World.current()
    with provisioning.nodes(world, 2) as machines:
        lab, _ = provisioning.prepared(world, machines, NAME)
        lab.labctl("provision").measure()
        names = [host.name for host in lab.hosts]
        whole, each = lab.folder / "whole.xml", [lab.folder / f"{name}.xml" for name in names]
        ours = lab.labctl("verify", "--junit", str(whole))
        ours.measure()  # writes what plain pytest needs, and brings the first image
        tests = _passed([whole])
        plain = [_pytest(lab, name, file) for name, file in zip(names, each, strict=True)]
        contenders = [
            _contender(LABCTL, ours, [whole], tests),
            _contender(PYTEST, _joined(lab, plain, at_once=False), each, tests),
            _contender(SPLIT, _joined(lab, plain, at_once=True), each, tests),
        ]
        yield Case(NAME, "verify, 2 nodes", contenders, [Target(PYTEST, at_least=4)], nodes=2)


def _pytest(lab: Lab, name: str, report: Path) -> Command:
    """Return the command line that the README has for checks without labctl: of one node.

    What the checks expect differs from node to node, so two nodes are two runs.
    """
    argv = [
        *(sys.executable, "-m", "pytest", "--import-mode=importlib", "-q"),
        *("-p", "no:cacheprovider", f"--rootdir={FOLDER}", f"--junit-xml={report}"),
        f"--config-file={os.devnull}",
        f"--hosts=ssh://{name}",
        f"--ssh-config={lab.folder / 'ssh_config'}",
        *(str(FOLDER / playbook / "verify.py") for playbook in PLAYBOOKS),
    ]
    wanted = lab.folder / f".labctl/wanted.{name}.json"
    return Command(argv, lab.folder, {"LABCTL_WANTED": str(wanted)})


def _joined(lab: Lab, commands: Sequence[Command], *, at_once: bool) -> Command:
    """Return a command that runs several, side by side or one after another."""
    lines = ["code=0 pids="]
    for command in commands:
        variables = (f"{key}={value}" for key, value in (command.environment or {}).items())
        line = shlex.join(("env", *variables, *command.argv))
        lines.append(f'{line} & pids="$pids $!"' if at_once else f"{line} || code=1")
    lines += ["for pid in $pids; do wait $pid || code=1; done", "exit $code"]
    return Command(["sh", "-c", "\n".join(lines)], lab.folder)


def _contender(name: str, command: Command, reports: list[Path], tests: int) -> Contender:
    def check() -> None:
        passed = _passed(reports)
        if passed != tests:
            raise BenchError(f"{passed} tests passed, and should {tests}")

    def prepare() -> None:
        for report in reports:
            report.unlink(missing_ok=True)

    return Contender(name, command.measure, prepare, check)


def _passed(reports: Sequence[Path]) -> int:
    """Return how many tests ran and passed, by JUnit's reports."""
    cases = [case for file in reports for case in ET.parse(file).getroot().iter("testcase")]
    return sum(len(case) == 0 or all(part.tag == "properties" for part in case) for case in cases)
