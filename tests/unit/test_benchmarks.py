"""The benchmarks' own parts that need no machine: turns, figures, and that the work is whole."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from benchmarks import report, rows, table
from benchmarks.errors import BenchError
from benchmarks.figures import read
from benchmarks.harness import LABCTL, Bench, Case, Contender, Target, measure
from benchmarks.lab import Host, Lab
from benchmarks.measuring import Command, Sample
from benchmarks.results import Results
from benchmarks.witness import Witness
from benchmarks.work import Work

QUIET = Bench(runs=3, warm_ups=1, say=lambda line: None)


def contender(name: str, ran: list[str], seconds: float = 1.0) -> Contender:
    def run() -> Sample:
        ran.append(name)
        return Sample(seconds, seconds / 2, 50_000_000)

    return Contender(name, run)


def test_contenders_take_turns_and_a_warm_up_does_not_count() -> None:
    ran: list[str] = []
    case = Case("x", "x", [contender(name, ran) for name in "abc"])
    measured = measure(case, QUIET)
    assert "".join(ran) == "cab" + "abc" + "bca" + "cab"
    assert {name: len(samples) for name, samples in measured.samples.items()} == dict.fromkeys(
        "abc", 3
    )


def test_a_case_of_minutes_has_no_warm_up() -> None:
    ran: list[str] = []
    measured = measure(Case("x", "x", [contender("a", ran)], warm_up=False), QUIET)
    assert (len(ran), measured.warm_ups) == (3, 0)


def test_who_only_waits_makes_all_rounds_at_once_before_the_others() -> None:
    ran: list[str] = []

    def at_once(count: int) -> list[Sample]:
        ran.append("w" * count)
        return [Sample(100.0, 0.1, 50_000_000)] * count

    waiting = Contender("w", lambda: pytest.fail("it ran in turns"), at_once=at_once)
    measured = measure(Case("x", "x", [contender("a", ran), waiting, contender("b", ran)]), QUIET)
    assert "".join(ran) == "www" + "ba" + "ab" + "ba" + "ab"
    assert {name: len(samples) for name, samples in measured.samples.items()} == dict.fromkeys(
        "awb", 3
    )


def test_who_did_not_do_the_work_ends_the_row() -> None:
    def check() -> None:
        raise BenchError("nothing was done")

    idle = Contender("lazy", lambda: Sample(0, 0, 0), check=check)
    with pytest.raises(BenchError, match="x: lazy: nothing was done"):
        measure(Case("x", "x", [idle]), QUIET)


def test_a_command_is_measured_and_one_that_fails_is_none() -> None:
    sample = Command(["sh", "-c", "sleep 0.2"]).measure()
    assert sample.seconds >= 0.2
    assert sample.cpu < 5
    with pytest.raises(BenchError, match=r"(?s)ended with 3.*what it said"):
        Command(["sh", "-c", "echo what it said; exit 3"]).measure()
    with pytest.raises(BenchError, match="ended with -9"):
        Command(["sleep", "60"], timeout=0.2).measure()


def results(path: Path, ours: float, theirs: float, target: Target) -> None:
    case = Case("a/b", "a thing", [contender(LABCTL, [], ours), contender("Other", [], theirs)],
                [target])  # fmt: skip
    environment: dict[str, Any] = {
        "processors": 2, "processor": "P", "memory": 2**34, "kernel": "6", "python": "3",
        "ansible-core": "2", "pyinfra": "3", "vagrant": "Vagrant 2", "ssh": "OpenSSH, x",
        "rsync": "rsync 3", "labctl": "0", "commit": "abc", "date": "2026-01-01",
    }  # fmt: skip
    Results(path, environment).put("scp", "about", [measure(case, QUIET)], 1.0)


@pytest.mark.parametrize(
    ("theirs", "target", "reached"),
    [
        (12.0, Target("Other", at_least=12), True),
        (11.9, Target("Other", at_least=12), False),
        (0.5, Target("Other", at_most=2.0), True),
        (0.49, Target("Other", at_most=2.0), False),
    ],
)
def test_a_target_is_reached_or_not(
    tmp_path: Path, theirs: float, target: Target, reached: bool
) -> None:
    results(tmp_path / "r.json", 1.0, theirs, target)
    _, (figure,) = read(tmp_path / "r.json")
    assert [wanted.reached for wanted in figure.wanted] == [reached]


def test_the_document_keeps_what_was_written_by_hand(tmp_path: Path) -> None:
    results(tmp_path / "r.json", 2.0, 8.0, Target("Other", at_least=5))
    document, picture = tmp_path / "p.md", tmp_path / "p.svg"
    document.write_text(f"before\n{table.BEGIN}\nold\n{table.END}\nafter\n")
    report.write(tmp_path / "r.json", document, picture)
    text = document.read_text()
    assert text.startswith("before\n")
    assert text.endswith("\nafter\n")
    assert "old" not in text
    assert "| a thing | **labctl** | 2.000 |" in text
    assert "| 4.00× | ≥ 5× as fast | **no** |" in text
    assert "4.00×" in picture.read_text()
    document.write_text("no marks")
    with pytest.raises(BenchError, match="lost its marks"):
        report.write(tmp_path / "r.json", document, picture)


def test_rows_are_known_by_name() -> None:
    assert [row.NAME for row in rows.pick(["scp", "start-up"])] == ["start-up", "scp"]
    with pytest.raises(BenchError, match="unknown row colour; available: start-up"):
        rows.pick(["colour"])


def lab(folder: Path, playbooks: list[str]) -> Lab:
    hosts = [Host(f"docker-node{n}", f"10.77.0.1{n}", 22, "vagrant", folder / "k") for n in (1, 2)]
    compose = {"compose": {"sha256": {"1.29.2": "0" * 64}}}
    spec = {
        "playbooks": playbooks,
        "docker": {"mirrors": ["https://mirror.lab"]},
        "sources": compose,
        "toolchain": {"base": "course", "compose": "1.29.2"},
    }
    return Lab.make(folder, hosts, spec)


def test_the_peers_get_all_that_the_playbooks_want(tmp_path: Path) -> None:
    """A playbook that wants something new fails here until the peers are taught it."""
    made = lab(tmp_path, ["repos", "hosts", "engine", "mirrors", "compose"])
    work = Work.of(made.folder)
    empty = [kind for kind, wanted in vars(work).items() if not wanted]
    assert empty == []
    made.give(work, {key["source"]: "0" * 64 for key in work.keys})
    script = tmp_path / "provision.sh"
    assert json.loads((tmp_path / "work.json").read_text())["nevrs"][-1].startswith("docker-ce-cli")
    calls = script.read_text().splitlines()
    for function in ("key", "put", "block", "packages", "service", "member", "download", "link"):
        assert any(line.startswith(f"{function} ") for line in calls), function
    subprocess.run(["sh", "-n", script], check=True)


class Machine:
    """A machine whose shell is this one's, with commands of the test's."""

    name: str = "machine"

    def __init__(self, path: Path) -> None:
        self._path = path

    def sh(self, script: str, *, check: bool = True) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["bash", "-s"], input=script, capture_output=True, text=True, check=check,
            env={"PATH": f"{self._path}:/usr/bin:/bin"},
        )  # fmt: skip


def test_a_witness_reports_what_is_wrong(tmp_path: Path) -> None:
    target, link = tmp_path / "target", tmp_path / "link"
    work = Work(links=[{"path": str(link), "target": str(target)}])
    witness, machine = Witness(work), Machine(tmp_path)
    with pytest.raises(BenchError, match=str(link)):
        witness.testify([machine])
    link.symlink_to(target)
    witness.testify([machine])
    witness.spoil([machine])
    assert not link.is_symlink()


def test_a_drift_that_does_not_take_proves_nothing(tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to("target")
    (tmp_path / "rm").write_text("#!/bin/sh\n")
    (tmp_path / "rm").chmod(0o755)
    witness = Witness(Work(links=[{"path": str(link), "target": "target"}]))
    with pytest.raises(BenchError, match="only 0 of 1 drifts took"):
        witness.spoil([Machine(tmp_path)])


def test_peers_are_no_dependencies_of_labctl() -> None:
    root = Path(rows.__file__).parents[2]
    text = (root / "pyproject.toml").read_text("utf-8")
    assert not any(peer in text for peer in ("ansible", "pyinfra"))
