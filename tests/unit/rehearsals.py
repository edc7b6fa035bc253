"""Rehearsals as values: a night of green, a night of red, and one with hostile names."""

from __future__ import annotations

from dataclasses import replace

from labctl.checks.exercises.result import Rehearsal
from labctl.checks.report import Check, CommandRun, NodeReport
from labctl.errors import ConnectFailed
from labctl.events import CheckOutcome
from labctl.parallel import Result

BEGAN = 1_795_524_553.0
SECTIONS = ("engine", "containers", "network")
VERSIONS = {"engine": "20.10.24", "kernel": "3.10.0-1160.el7.x86_64"}

HOSTILE = "</script><script>document.title='owned'</script>'\"><img src=x onerror=alert(1)>&lt;"
LONG = "n" * 300


def check(
    section: str,
    name: str,
    outcome: str = "passed",
    *,
    title: str = "",
    message: str = "",
    at: float = 1.0,
    seconds: float = 2.0,
    commands: tuple[CommandRun, ...] = (),
    wrong: str = "",
    because: str = "",
    fix: str = "",
) -> Check:
    """Return an exercise that ended; `message` is what pytest said if it failed."""
    words = title or name.replace("_", " ")
    ended = CheckOutcome(outcome)
    began = BEGAN + at
    details = message if ended.bad else ""
    made = Check(
        section, name, words, ended, message, seconds, began, commands, wrong, because, fix, details
    )
    return replace(made, message=made.explanation) if ended.bad else made


def ran(command: str, code: int | None = 0, out: str = "", phase: str = "call") -> CommandRun:
    """Return a command that was run."""
    return CommandRun("docker-node1", phase, command, False, code, out, "", 0.1)


def rehearsal(*results: Result[NodeReport], sections: tuple[str, ...] = SECTIONS) -> Rehearsal:
    """Return a rehearsal of ten seconds."""
    return Rehearsal("docker-course", sections, results, BEGAN, 10.0)


def report(node: str, *checks: Check) -> Result[NodeReport]:
    """Return what a node said."""
    return Result(node, NodeReport(node, checks, dict(VERSIONS)))


def green(nodes: int = 1) -> Rehearsal:
    """Everything works."""
    return rehearsal(
        *(
            report(
                f"docker-node{number}",
                check("engine", "test_a", at=0.5, seconds=1.0),
                check("containers", "test_b", at=1.5, seconds=3.0),
                check("network", "test_c", at=4.5, seconds=5.0),
            )
            for number in range(1, nodes + 1)
        )
    )


def red(nodes: int = 2) -> Rehearsal:
    """One exercise fails, one cannot be run, one is not applicable, and the last node is away."""
    reports = [
        report(
            f"docker-node{number}",
            check("engine", "test_a"),
            check(
                "containers",
                "test_b",
                "failed",
                title="a memory limit kills what exceeds it",
                message="assert 0 == 137",
                wrong="memory limits have no effect",
                because="no such cgroup",
                fix=f"labctl heal docker-node{number}",
                commands=(
                    ran("mkdir /var/tmp/rehearse", phase="setup"),
                    ran("docker run --memory 8m busybox", 125, "no such cgroup\n" * 60),
                ),
            ),
            check("network", "test_c", "error", message="no bridge"),
            check("network", "test_d", "skipped", message="removed in engine 23.0"),
        )
        for number in range(1, nodes)
    ]
    lost = ConnectFailed("no ssh connection", hint="is it up?")
    return rehearsal(*reports, Result(f"docker-node{nodes}", None, lost))


def hostile(nodes: int = 8) -> Rehearsal:
    """Every text that an exercise or a node gives is an attempt to get out of the page's text."""
    escapes = f"{HOSTILE}\x1b[31mred\x1b[0m\x07\u202e{LONG}"
    command = CommandRun(HOSTILE, "call", escapes, True, None, "</pre>" + escapes, escapes, 1.0)
    checks = (
        check(HOSTILE, escapes, "failed", title=escapes, message=f"{escapes}\n" * 40,
              commands=(command,), wrong=escapes, because=escapes, fix=HOSTILE),
        check(HOSTILE, "b", "skipped", title=escapes, message=escapes),
        check("engine", LONG, "passed", title=LONG),
    )  # fmt: skip
    results = [
        Result(name, NodeReport(name, checks, {HOSTILE: escapes, "kernel": LONG}))
        for name in (f"docker-node{number}" for number in range(1, nodes))
    ]
    lost: Result[NodeReport] = Result(
        HOSTILE[:60], None, ConnectFailed(escapes, hint=escapes, details=escapes)
    )
    made = rehearsal(*results, lost, sections=("engine", HOSTILE))
    return Rehearsal(HOSTILE, made.sections, made.results, made.began, made.seconds)
