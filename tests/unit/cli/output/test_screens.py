"""Golden screens at 80 and at 60 columns, and without a terminal.

LABCTL_UPDATE_GOLDEN=1 rewrites the golden files.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from labctl.checks.report import NodeReport
from labctl.cli.options import Globals
from labctl.cli.output.errors import render_error
from labctl.cli.output.rehearsal import print_rehearsal
from labctl.cli.output.tables import print_summary
from labctl.cli.output.text_width import width
from labctl.errors import ConnectFailed, Problem, SpecError
from labctl.lab.actions.node_run import NodeRun
from labctl.lab.lab import Lab
from labctl.lab.workspace import Workspace
from labctl.messages import msg
from labctl.parallel import Result
from labctl.provision.apply import Applied
from labctl.provision.converge import Outcome
from tests.unit.fakes import CENTOS, lab_spec
from tests.unit.rehearsals import check, red, rehearsal, report

GOLDEN = Path(__file__).parents[3] / "golden" / "screens"
NODES = ("docker-node1", "docker-node2")
OPTIONS = Globals()


def lab() -> Lab:
    return Lab(Workspace.find(), lab_spec(nodes=2), emit=lambda _: None)


def outcome(node: str, *changes: tuple[str, str], complete: bool = True) -> Outcome:
    done = tuple(Applied(playbook, "x", text, "") for playbook, text in changes)
    return Outcome(node, done, 1 + len(done), CENTOS, {}, complete)


def summary(*runs: NodeRun | ConnectFailed, command: str = "provision", look: bool = False) -> None:
    results = [
        Result(node, None, run) if isinstance(run, ConnectFailed) else Result(node, run, None)
        for node, run in zip(NODES, runs, strict=True)
    ]
    print_summary(OPTIONS, lab(), results, command=command, check=look)


VERSIONS = {"engine": "19.03.9", "compose": "1.25.5"}


def verified(node: str, *failed: tuple[str, str, str], good: int = 19) -> NodeRun:
    checks = [check("engine", f"test_{n}") for n in range(good)]
    checks += [
        check("engine", f"bad_{n}", "failed", message="E assert 1 == 0\n" * 40, wrong=wrong,
              because=because, fix=fix)
        for n, (wrong, because, fix) in enumerate(failed)
    ]  # fmt: skip
    return NodeRun(report=NodeReport(node, tuple(checks), VERSIONS))


STOPPED = ("Docker is not running", "its service is stopped", "labctl provision")
REPOS = ("yum cannot read its repositories", "vault.centos.org does not answer within 30 seconds",
         "labctl provision --refresh")  # fmt: skip


def heal(node: str) -> tuple[str, str, str]:
    return ("memory limits have no effect", "no such cgroup", f"labctl heal {node}")


def drift() -> None:
    """A drift of three things."""
    changes = (("repos", "update /etc/yum.repos.d/CentOS-Base.repo"), ("engine", "start docker"))
    summary(
        NodeRun(outcome("docker-node1", ("engine", "start docker"))),
        NodeRun(outcome("docker-node2", *changes)),
    )


def pending() -> None:
    summary(
        NodeRun(outcome("docker-node1", ("engine", "start docker"))),
        NodeRun(outcome("docker-node2", ("engine", "start docker"), ("hosts", "x"))),
        look=True,
    )


def nothing_pending() -> None:
    summary(NodeRun(outcome("docker-node1")), NodeRun(outcome("docker-node2")), look=True)


def stopped() -> None:
    """A stopped engine breaks eleven checks."""
    summary(
        verified("docker-node1"),
        verified("docker-node2", *[STOPPED] * 11, REPOS, good=7),
        command="verify",
    )


def everywhere() -> None:
    summary(
        verified("docker-node1", STOPPED, heal("docker-node1")),
        verified("docker-node2", STOPPED, STOPPED, heal("docker-node2")),
        command="verify",
    )


def lost() -> None:
    summary(
        verified("docker-node1"),
        ConnectFailed(
            "10.20.0.12:22 does not answer",
            hint="check that the machine and its sshd run; `labctl status` shows which nodes "
            "answer",
            details="[Errno 113] No route to host",
            node="docker-node2",
        ),
        command="up",
    )


def first_up() -> None:
    changes = [("engine", f"install package {n}") for n in range(20)]
    summary(*(NodeRun(outcome(node, *changes), verified(node).report) for node in NODES),
            command="up")  # fmt: skip


def rehearsed() -> None:
    print_rehearsal(OPTIONS, red(3), Path("/lab/.labctl/rehearsal.html"))


def eight_nodes() -> None:
    results = [report(f"docker-node{n}", check("engine", "test_a")) for n in range(1, 9)]
    print_rehearsal(OPTIONS, rehearsal(*results), Path("/lab/.labctl/rehearsal.html"))


def wrong_lab_yaml() -> None:
    problems = [
        Problem("memory", msg("must be a whole number, is {value}", value="'2 G'"), 3,
                "write the number of MiB, such as memory: 2048"),
        Problem("synced_folders[0].host", msg("{path}: no such folder", path="/home/me/labs"), 7),
    ]  # fmt: skip
    render_error(SpecError("lab.yaml", problems), OPTIONS)


SCREENS: dict[str, Callable[[], None]] = {
    "drift-of-three-things": drift,
    "eight-nodes": eight_nodes,
    "engine-stopped": stopped,
    "first-up": first_up,
    "halted-node": lost,
    "no-changes-pending": nothing_pending,
    "rehearsal": rehearsed,
    "same-on-every-node": everywhere,
    "three-changes-pending": pending,
    "wrong-lab-yaml": wrong_lab_yaml,
}


@pytest.mark.parametrize("name", SCREENS)
@pytest.mark.parametrize("columns", [80, 60, 0], ids=["80", "60", "pipe"])
def test_screen(
    name: str,
    columns: int,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns or ""))
    SCREENS[name]()
    out, err = capsys.readouterr()
    seen = out + err
    if columns:
        assert max(width(line) for line in seen.splitlines()) <= columns
    path = GOLDEN / f"{name}.{columns or 'pipe'}.txt"
    if os.environ.get("LABCTL_UPDATE_GOLDEN"):
        path.parent.mkdir(exist_ok=True)
        path.write_text(seen, "utf-8")
    assert seen == path.read_text("utf-8")


def test_every_golden_screen_has_its_test() -> None:
    names = {f"{name}.{columns}" for name in SCREENS for columns in ("80", "60", "pipe")}
    assert {path.stem for path in GOLDEN.glob("*.txt")} == names


@pytest.mark.usefixtures("chinese")
@pytest.mark.parametrize("name", SCREENS)
@pytest.mark.parametrize("columns", [80, 60])
def test_chinese_fits_too(
    name: str,
    columns: int,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    SCREENS[name]()
    out, err = capsys.readouterr()
    assert max(width(line) for line in (out + err).splitlines()) <= columns
    assert any("\u4e00" <= character <= "\u9fff" for character in out + err)


@pytest.mark.parametrize(
    ("variable", "value", "colours"),
    [("NO_COLOR", "1", False), ("NO_COLOR", "", True), ("TERM", "dumb", False)],
)
def test_colours_are_the_user_s_choice(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    variable: str,
    value: str,
    colours: bool,
) -> None:
    import typer

    from labctl.cli.output import terminal

    monkeypatch.delenv("NO_COLOR")
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv(variable, value)
    plain = typer.echo
    monkeypatch.setattr(typer, "echo", lambda *a, **k: plain(*a, **{**k, "color": True}))
    monkeypatch.setattr(
        typer, "secho", lambda text, nl=True, err=False, **style: plain(
            typer.style(text, **style), color=True, nl=nl, err=err
        ),
    )  # fmt: skip
    terminal.say("red", fg="red")
    assert ("\x1b" in capsys.readouterr().out) == colours
