"""The use cases of labctl, each a recipe. They know no screen: events go out, results come back."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from labctl.bringup import Bringer, prepare
from labctl.converge import Outcome, converge
from labctl.errors import LabctlError, UsageError
from labctl.events import Checked, Phase, PhaseEntered
from labctl.facts import Facts
from labctl.fanout import Result, each
from labctl.lab import Lab
from labctl.meeting import Meeting
from labctl.neighbours import asker
from labctl.playbook import Playbook
from labctl.report import NodeReport
from labctl.verify import Verifier

BOOT_PATIENCE = 60.0
"""Seconds that a machine which its provider calls up may take until its sshd answers."""


@dataclass(frozen=True, slots=True)
class NodeRun:
    """What a run did on one node.

    Parameters:
        outcome: what was provisioned; None where it did not come to that.
        report: what was verified; None where it did not come to that.
    """

    outcome: Outcome | None = None
    report: NodeReport | None = None


@dataclass(frozen=True, slots=True)
class Options:
    """How to provision.

    Parameters:
        check: look only.
        only: names of playbooks to run; none: all.
        extra: names of further playbooks.
        refresh: measure again what was measured on the nodes.
        verify: run the checks afterwards.
    """

    check: bool = False
    only: tuple[str, ...] = ()
    extra: tuple[str, ...] = ()
    refresh: bool = False
    verify: bool = True


def up(
    lab: Lab, limit: Iterable[str], options: Options, remember: Mapping[str, object] | None = None
) -> list[Result[NodeRun]]:
    """Bring the lab up, provision it and verify it; each node goes on as soon as it answers.

    Parameters:
        lab: the lab.
        limit: names or patterns of nodes; none: all.
        options: how to provision.
        remember: flags that the runs to come should know of.

    Returns:
        A result for each node, in the lab's order.

    Raises:
        LabctlError: what concerns the whole lab; no machine was touched.
    """
    nodes = lab.select(limit)
    playbooks = lab.playbooks(options.extra)
    running = [book.name for book in _chosen(playbooks, options.only)]
    meeting = Meeting(nodes, lab.spec.parallel, lab.stop, running)
    with lab.state.locked("up"):
        machines = lab.machines()
        states = prepare(lab, machines)
        if remember:
            lab.state.save_flags({**lab.state.flags(), **remember})
        bring = Bringer(lab, machines, nodes, states)
        with Verifier(lab, len(nodes) if options.verify else 0) as verifier:

            def work(node: str) -> NodeRun:
                with _failing(lab, node), meeting.turn(node):
                    bring.up(node)
                    return work_on(lab, node, playbooks, options, verifier, meeting, BOOT_PATIENCE)

            return each(nodes, work, cap=len(nodes), stop=lab.stop)


def provision(lab: Lab, limit: Iterable[str], options: Options) -> list[Result[NodeRun]]:
    """Provision nodes that are up, and verify them if `options` says so.

    Raises:
        LabctlError: what concerns the whole lab; no machine was touched.
    """
    nodes = lab.select(limit)
    playbooks = lab.playbooks(options.extra)
    running = [book.name for book in _chosen(playbooks, options.only)]
    meeting = Meeting(nodes, lab.spec.parallel, lab.stop, running)
    with (
        lab.state.locked("provision"),
        Verifier(lab, len(nodes) if options.verify else 0) as verifier,
    ):
        if not lab.spec.uses_vagrant:
            lab.write_ssh_config()

        def work(node: str) -> NodeRun:
            with _failing(lab, node), meeting.turn(node):
                return work_on(lab, node, playbooks, options, verifier, meeting)

        return each(nodes, work, cap=len(nodes), stop=lab.stop)


def verify(
    lab: Lab, limit: Iterable[str], only: Sequence[str], extra: Iterable[str] = ()
) -> list[Result[NodeRun]]:
    """Run the checks of the lab's playbooks, and of `extra` ones, on nodes that are up.

    Parameters:
        lab: the lab.
        limit: names or patterns of nodes; none: all.
        only: names of playbooks to check; none: all.
        extra: names of further playbooks.

    Returns:
        A result for each node, in the lab's order.

    Raises:
        LabctlError: what concerns the whole lab, such as a playbook that there is not.
    """
    nodes = lab.select(limit)
    playbooks = _chosen(lab.playbooks(extra), only)
    lab.workspace.make()  # what the checks expect is written there
    with Verifier(lab, len(nodes)) as verifier:

        def work(node: str) -> NodeRun:
            with _failing(lab, node):
                return NodeRun(report=_verify_node(lab, node, playbooks, verifier))

        return each(nodes, work, cap=lab.spec.parallel, stop=lab.stop)


def _chosen(playbooks: Sequence[Playbook], only: Sequence[str]) -> list[Playbook]:
    """Return the playbooks that `only` names, in the order of work; all if it names none.

    Raises:
        UsageError: it names one that the lab does not run.
    """
    names = [book.name for book in playbooks]
    for name in only:
        if name not in names:
            raise UsageError(
                f"this lab does not run the playbook '{name}'",
                hint=f"it runs {', '.join(names)}; --with adds another",
            )
    return [book for book in playbooks if not only or book.name in only]


def work_on(
    lab: Lab,
    node: str,
    playbooks: Sequence[Playbook],
    options: Options,
    verifier: Verifier,
    meeting: Meeting,
    patience: float = 0.0,
) -> NodeRun:
    """Converge one node and verify it.

    Parameters:
        lab: the lab, locked.
        node: the node's name; it must be up.
        playbooks: all that the lab runs, in the order of work; `options` chooses among them.
        options: how to provision.
        verifier: runs the checks.
        meeting: the nodes of this run, `node` among them.
        patience: seconds that the node's sshd may take to answer.

    Raises:
        LabctlError: a change failed, or the node cannot be reached. A failing check is a result.
    """
    lab.emit(PhaseEntered(node, Phase.PROVISIONING))
    outcome = _converge_node(lab, node, playbooks, options, meeting, patience)
    meeting.provisioned(node)
    if not options.verify or options.check:
        lab.emit(PhaseEntered(node, Phase.DONE))
        return NodeRun(outcome)
    chosen = _chosen(playbooks, options.only)
    if any(book.together for book in chosen):
        lab.emit(PhaseEntered(node, Phase.WAITING, "for the other nodes"))
        meeting.wait_for_all()
    return NodeRun(outcome, _verify_node(lab, node, chosen, verifier))


def _converge_node(
    lab: Lab,
    node: str,
    playbooks: Sequence[Playbook],
    options: Options,
    meeting: Meeting,
    patience: float,
) -> Outcome:
    record = lab.state.node(node)
    names = [book.name for book in playbooks]

    def keep(facts: Facts, choices: dict[str, Any]) -> None:
        if options.check:  # a look; the next run does as if there had been none
            choices = record.choices if record.facts in (None, facts) else {}
        if (record.facts, record.choices) != (facts, choices):
            record.facts, record.choices = facts, choices
            lab.state.save(node, record)

    with lab.remote(node, patience=patience) as remote:
        outcome = converge(
            remote,
            playbooks,
            lambda facts, choices: lab.play(node, facts, choices, names),
            emit=lab.emit,
            facts=record.facts,
            choices=record.choices,
            refresh=options.refresh,
            check=options.check,
            only=options.only,
            ask=asker(lab, node, meeting),
            came_through=lambda playbook: meeting.came_through(node, playbook),
            keep=keep,
        )
    keep(outcome.facts, outcome.choices)
    return outcome


def _verify_node(
    lab: Lab, node: str, playbooks: Sequence[Playbook], verifier: Verifier
) -> NodeReport:
    lab.emit(PhaseEntered(node, Phase.VERIFYING))
    report = verifier.verify(node, playbooks)
    for check in report.checks:
        lab.emit(
            Checked(node, check.section, check.name, check.outcome, check.message, check.seconds)
        )
    if report.failed:
        lab.emit(PhaseEntered(node, Phase.FAILED, f"{len(report.failed)} checks failed"))
    else:
        lab.emit(PhaseEntered(node, Phase.DONE))
    return report


@contextlib.contextmanager
def _failing(lab: Lab, node: str) -> Iterator[None]:
    """Tell when the work on a node has failed."""
    try:
        yield
    except LabctlError as error:
        lab.emit(PhaseEntered(node, Phase.FAILED, error.message))
        raise
