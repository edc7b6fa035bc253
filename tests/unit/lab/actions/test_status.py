"""Which nodes answer: what is shown for each way not to."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from labctl.errors import AuthFailed, ConnectFailed, HostKeyChanged, LabctlError, MachineError
from labctl.events import Notice
from labctl.lab.actions import status as module
from labctl.lab.actions.health import Health
from labctl.lab.actions.status import NodeStatus, status, status_of_all
from labctl.lab.boot import prepare
from labctl.lab.index import Entry, LabIndex
from labctl.lab.lab import Lab
from labctl.lab.state import NodeRecord
from labctl.lab.workspace import Workspace
from labctl.machines.base import MachineState
from labctl.remote.target import Target
from tests.unit.fakes import SINCE, FakeLab, FakeMachines, Heard, ScriptedConnection, answers

RUNNING, STOPPED, ABSENT = MachineState.RUNNING, MachineState.STOPPED, MachineState.ABSENT
ONE, TWO = "docker-node1", "docker-node2"


@pytest.fixture
def lab() -> FakeLab:
    found = FakeLab(FakeMachines({ONE: RUNNING, TWO: RUNNING}), nodes=2)
    (found.workspace.state / ".vagrant").mkdir()
    for node in (ONE, TWO):
        found.state.save(node, NodeRecord(Target(node, "127.0.0.1")))
        found.connections[node] = ScriptedConnection(node)
    return found


SHOWN = "2026-01-01 10:00:00"


def test_nodes_that_answer_need_no_vagrant(lab: FakeLab, monkeypatch: pytest.MonkeyPatch) -> None:
    def never() -> FakeMachines:
        raise AssertionError("Vagrant was asked")

    monkeypatch.setattr(lab, "machines", never)
    rows = status(lab, ())
    assert rows[0] == NodeStatus(
        ONE, "running", "192.168.56.11", "19.03.9", "2", Health(since="2026-01-01 10:00:00")
    )
    assert [row.node for row in status(lab, [TWO])] == [TWO]


@pytest.mark.parametrize(
    ("answer", "shown"),
    [
        (SINCE + answers({"Version": "20.10.24"}, []), ("20.10.24", "0", SHOWN)),
        (SINCE + answers({"Version": "23.0.6"}, [{}] * 12), ("23.0.6", "12", SHOWN)),
        (SINCE, ("-", "-", SHOWN)),
        (SINCE + b"HTTP/1.1 500 Oh\r\nContent-Length: 0\r\n\r\n", ("-", "-", SHOWN)),
        (SINCE + answers([], []), ("-", "-", SHOWN)),
        (SINCE + answers({"Version": "20.10.24"}, 7), ("-", "-", SHOWN)),
        (SINCE + b"nonsense", ("-", "-", SHOWN)),
        (b"since \n\n", ("-", "-", "-")),
        (b"", ("-", "-", "-")),
        (b"since \xff\n\n", ("-", "-", "\N{REPLACEMENT CHARACTER}")),
    ],
)
def test_what_a_node_tells(lab: FakeLab, answer: bytes, shown: tuple[str, ...]) -> None:
    lab.connections[ONE].answer = answer
    (row,) = status(lab, [ONE])
    assert (row.state, row.engine, row.containers, row.health.since) == ("running", *shown)


HUNG = """\
#!/bin/sh
# A client whose daemon accepted its request and does not answer.
echo $$ >{folder}/client
exec sleep 60
"""


@pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="what runs on a node is run here, with its timeout"
)
def test_an_engine_that_hangs_holds_nobody_up(
    lab: FakeLab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Here(ScriptedConnection):
        """A node that is this machine, but for its docker."""

        def call(self, command: str, stdin: bytes = b"") -> tuple[int, bytes, bytes]:
            done = subprocess.run(
                ["sh", "-c", command],
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=50,
                check=False,
                env={"PATH": f"{programs}:{os.environ['PATH']}", "TMPDIR": str(temporary)},
            )
            return done.returncode, done.stdout, done.stderr

    programs, temporary = tmp_path / "programs", tmp_path / "temporary"
    for folder in (programs, temporary):
        folder.mkdir()
    (programs / "docker").write_text(HUNG.format(folder=programs))
    (programs / "docker").chmod(0o755)
    monkeypatch.setattr(module, "_HUNG", 1)
    lab.connections[ONE] = Here(ONE)
    began = time.monotonic()
    (row,) = status(lab, [ONE])
    assert time.monotonic() - began < 30
    assert (row.state, row.engine, row.containers) == ("running", "-", "-")
    # Nothing is left that waits for the engine.
    assert list(temporary.iterdir()) == []
    # It is killed, and gone when whoever adopted it has collected it.
    deadline = time.monotonic() + 10
    with contextlib.suppress(psutil.NoSuchProcess):
        client = psutil.Process(int((programs / "client").read_text()))
        while client.status() != psutil.STATUS_ZOMBIE:
            assert time.monotonic() < deadline, f"the client goes on: {client}"
            time.sleep(0.05)


@pytest.mark.parametrize(
    ("error", "known", "shown"),
    [
        (ConnectFailed("x"), RUNNING, "no answer"),
        (ConnectFailed("x"), STOPPED, "stopped"),
        (ConnectFailed("x"), MachineState.SUSPENDED, "suspended"),
        (ConnectFailed("x"), ABSENT, "absent"),
        (ConnectFailed("x"), MachineState.UNKNOWN, "no answer"),
        (ConnectFailed("x"), MachineState.EXISTING, "no answer"),
        (HostKeyChanged("x"), RUNNING, "another host key"),
        (AuthFailed("x"), RUNNING, "login refused"),
    ],
)
def test_a_node_that_does_not_answer(
    lab: FakeLab, error: LabctlError, known: MachineState, shown: str
) -> None:
    lab.connections[TWO].error = error
    lab.fakes.known[TWO] = known
    assert [row.state for row in status(lab, ())] == ["running", shown]


def test_a_lab_that_was_never_brought_up(monkeypatch: pytest.MonkeyPatch) -> None:
    lab = FakeLab(FakeMachines(), nodes=2)
    monkeypatch.setattr(lab, "machines", None)  # Vagrant would be asked for nothing
    assert [row.state for row in status(lab, ())] == ["absent", "absent"]


def test_vagrant_is_not_called_while_another_labctl_uses_it(
    lab: FakeLab, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It locks a machine to read its state, and an `up` that finds it locked breaks off."""
    asked: list[int] = []

    def machines() -> FakeMachines:
        asked.append(1)
        return lab.fakes

    monkeypatch.setattr(lab, "machines", machines)
    lab.connections[ONE].error = ConnectFailed("x")
    assert not lab.state.busy()
    with lab.state.locked("up"):
        assert [row.state for row in status(lab, ())] == ["no answer", "running"]
    assert asked == []
    status(lab, ())
    assert asked == [1]


def test_vagrant_that_fails_is_no_reason_to_fail(
    lab: FakeLab, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails() -> FakeMachines:
        raise MachineError("vagrant status failed")

    monkeypatch.setattr(lab, "machines", fails)
    lab.connections[ONE].error = ConnectFailed("x")
    assert [row.state for row in status(lab, ())] == ["no answer", "running"]


def test_every_lab_of_the_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, text in (("a", "nodes: 1\n"), ("b", "nodes: [\n")):
        (tmp_path / name / ".labctl").mkdir(parents=True)
        (tmp_path / name / "lab.yaml").write_text(text)
    for name in "abc":
        folder = tmp_path / name
        LabIndex().note(Entry(str(folder), str(folder / ".labctl"), name, "192.168.56.0/24", ()))
    monkeypatch.setattr(Lab, "machines", None)
    heard = Heard()
    labs = status_of_all(heard)
    assert [(lab.name, lab.gone, len(lab.nodes)) for lab in labs] == [
        ("a", False, 1),
        ("b", False, 0),  # its lab.yaml is wrong, which is said
        ("c", True, 0),
    ]
    assert any(str(tmp_path / "b") in notice.message for notice in heard.of(Notice))
    assert LabIndex().prune()[0].name == "c"


def test_a_lab_is_looked_at_by_the_file_that_it_was_opened_by(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`-C other.yaml up` in a folder that has a lab.yaml too."""
    folder = tmp_path / "course"
    folder.mkdir()
    (folder / "lab.yaml").write_text("nodes: 1\n")
    machines = "machines:\n  - {name: pc1, host: 10.0.0.1}\n  - {name: pc2, host: 10.0.0.2}\n"
    (folder / "other.yaml").write_text(machines)
    workspace = Workspace.find(str(folder / "other.yaml"))
    lab = Lab.open(workspace, {}, emit=Heard())
    prepare(lab, lab.machines())
    monkeypatch.setattr(Lab, "connection", lambda _, name, **__: ScriptedConnection(name))
    (seen,) = status_of_all(Heard())
    assert [node.node for node in seen.nodes] == ["pc1", "pc2"]
    # Gone, it is told so; lab.yaml is another lab's.
    (folder / "other.yaml").unlink()
    heard = Heard()
    (seen,) = status_of_all(heard)
    assert (seen.gone, seen.nodes) == (False, ())
    assert any("other.yaml" in notice.message for notice in heard.of(Notice))


def test_a_lab_of_lab_yaml_needs_it_no_more_than_ever(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Flags of earlier runs define the lab if its lab.yaml was removed."""
    (tmp_path / "lab.yaml").write_text("nodes: 2\n")
    lab = FakeLab(FakeMachines())
    lab.workspace = Workspace.find(str(tmp_path))
    prepare(lab, lab.fakes)
    (noted,) = LabIndex().entries()
    assert noted.spec == str(tmp_path / "lab.yaml")
    (tmp_path / "lab.yaml").unlink()
    monkeypatch.setattr(Lab, "machines", None)
    heard = Heard()
    (seen,) = status_of_all(heard)
    assert (len(seen.nodes), heard.of(Notice)) == (2, [])


def test_no_lab_at_all() -> None:
    assert status_of_all(Heard()) == []
