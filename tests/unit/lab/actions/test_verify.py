"""`labctl verify --fix`: what failed is provisioned and checked again, and nothing else."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest

from labctl.checks.report import NodeReport
from labctl.errors import ChangeFailed, ConnectFailed
from labctl.lab.actions import verify as action
from labctl.lab.actions.node_run import NodeRun, ProvisionOptions
from labctl.parallel import Result
from labctl.provision.converge import Outcome
from tests.unit.fakes import CENTOS, FakeLab, FakeMachines
from tests.unit.rehearsals import check

NODES = ("docker-node1", "docker-node2", "docker-node3")


def result(node: str, outcome: str, fix: str = "labctl provision") -> Result[NodeRun]:
    report = NodeReport(node, (check("engine", "test_a", outcome, fix=fix),))
    return Result(node, NodeRun(report=report))


class Runs:
    """Stands in for provisioning and checking, and keeps what was asked of it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.provisioned: list[tuple[list[str], ProvisionOptions]] = []
        self.verified: list[tuple[list[str], Any, Any]] = []
        self.broken: set[str] = set()
        self.still_failing: set[str] = set()
        monkeypatch.setattr(action, "provision", self._provision)
        monkeypatch.setattr(action, "verify", self._verify)

    def _provision(
        self, lab: Any, limit: Iterable[str], options: ProvisionOptions
    ) -> list[Result[NodeRun]]:
        nodes = list(limit)
        self.provisioned.append((nodes, options))
        error = ChangeFailed("no", resource="x")
        return [
            Result(node, None, error)
            if node in self.broken
            else Result(node, NodeRun(Outcome(node, (), 1, CENTOS, {})))
            for node in nodes
        ]

    def _verify(
        self, lab: Any, limit: Iterable[str], only: Any, extra: Any = ()
    ) -> list[Result[NodeRun]]:
        nodes = list(limit)
        self.verified.append((nodes, only, extra))
        return [
            result(node, "failed" if node in self.still_failing else "passed") for node in nodes
        ]


@pytest.fixture
def runs(monkeypatch: pytest.MonkeyPatch) -> Runs:
    return Runs(monkeypatch)


@pytest.fixture
def lab() -> FakeLab:
    return FakeLab(FakeMachines(), nodes=3)


def test_only_what_failed_is_provisioned(runs: Runs, lab: FakeLab) -> None:
    one, two, three = NODES
    gone: Result[NodeRun] = Result(three, None, ConnectFailed("gone"))
    before = [result(one, "passed"), result(two, "failed"), gone]
    after = action.fix(lab, before, ("engine",), ("registry",))
    ((nodes, options),) = runs.provisioned
    assert nodes == [two]
    assert (options.extra, options.only, options.refresh) == (("registry",), (), False)
    assert runs.verified == [([two], ("engine",), ("registry",))]
    assert after[0] is before[0]
    assert after[2] is before[2]
    assert after[1].value is not None
    assert after[1].value.outcome is not None
    assert after[1].value.report is not None
    assert not after[1].value.report.failed


def test_nothing_failed_nothing_is_done(runs: Runs, lab: FakeLab) -> None:
    before = [result(node, "passed") for node in NODES]
    assert action.fix(lab, before, ()) == before
    assert not runs.provisioned
    assert not runs.verified


def test_a_node_that_cannot_be_provisioned_is_not_checked(runs: Runs, lab: FakeLab) -> None:
    runs.broken = {NODES[0]}
    runs.still_failing = {NODES[1]}
    after = action.fix(lab, [result(node, "failed") for node in NODES], ())
    assert runs.verified == [(list(NODES[1:]), (), ())]
    assert isinstance(after[0].error, ChangeFailed)
    assert after[1].value is not None
    assert after[1].value.report is not None
    assert after[1].value.report.failed


def test_a_fix_can_repeat_measurements(runs: Runs, lab: FakeLab) -> None:
    action.fix(lab, [result(NODES[0], "failed", "labctl provision --refresh")], ())
    ((_, options),) = runs.provisioned
    assert options.refresh
