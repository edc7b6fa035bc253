"""Converge and verify one node, for `up`, `provision`, `verify` and `heal`."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from labctl.checks.report import NodeReport
from labctl.config.nearest import suggestion
from labctl.errors import LabctlError, UsageError
from labctl.events import Notice, Phase, PhaseEntered
from labctl.lab import proxy
from labctl.lab.durations import Durations
from labctl.lab.expectations import Verifier
from labctl.lab.lab import Lab
from labctl.lab.peers import peer_queries
from labctl.messages import msg
from labctl.provision.converge import Outcome, converge
from labctl.provision.facts import Facts
from labctl.provision.loader import Playbook
from labctl.provision.machine_preflight import noise
from labctl.provision.preflight import one_line
from labctl.provision.scheduler import Scheduler

if TYPE_CHECKING:
    from labctl.remote.connection import Connection


@dataclass(frozen=True, slots=True)
class NodeRun:
    """The result of a run on one node.

    Parameters:
        outcome: what was provisioned; None if nothing was.
        report: what was verified; None if nothing was.
    """

    outcome: Outcome | None = None
    report: NodeReport | None = None


@dataclass(frozen=True, slots=True)
class ProvisionOptions:
    """How to provision.

    Parameters:
        check: only report the changes.
        only: names of playbooks to run; if empty, all.
        extra: names of playbooks in addition to those of lab.yaml.
        refresh: measure again instead of using stored measurements.
        verify: run the checks after provisioning.
        install_key: first let existing machines accept the user's key.
    """

    check: bool = False
    only: tuple[str, ...] = ()
    extra: tuple[str, ...] = ()
    refresh: bool = False
    verify: bool = True
    install_key: bool = False


def chosen(playbooks: Sequence[Playbook], only: Sequence[str]) -> list[Playbook]:
    """Return the playbooks named in `only`, or all if it is empty, in the order of work.

    Raises:
        UsageError: the lab does not run one of them.
    """
    names = [book.name for book in playbooks]
    for name in only:
        if name not in names:
            raise UsageError(
                msg("this lab does not run the playbook '{name}'", name=name),
                hint=suggestion(
                    name,
                    names,
                    msg("available: {names}; --with adds another", names=", ".join(names)),
                ),
            )
    return [book for book in playbooks if not only or book.name in only]


def work_on(
    lab: Lab,
    node: str,
    playbooks: Sequence[Playbook],
    options: ProvisionOptions,
    verifier: Verifier,
    scheduler: Scheduler,
    patience: float = 0.0,
) -> NodeRun:
    """Converge one node and verify it.

    Parameters:
        lab: the lab, locked.
        node: the node's name; it must be up.
        playbooks: all playbooks of the lab in the order of work; `options` selects among them.
        options: how to provision.
        verifier: runs the checks.
        scheduler: the nodes of this run, including `node`.
        patience: seconds to wait for the node's sshd.

    Raises:
        LabctlError: a change failed, or the node is unreachable. A failing check is not an error.
    """
    lab.emit(PhaseEntered(node, Phase.PROVISIONING))
    lab.supply.reach(node, patience=patience)
    outcome = _converge_node(lab, node, playbooks, options, scheduler, patience)
    scheduler.on_provisioned(node)
    if not options.verify or options.check:
        lab.emit(PhaseEntered(node, Phase.DONE))
        return NodeRun(outcome)
    selected = chosen(playbooks, options.only)
    if any(book.together for book in selected):
        lab.emit(
            PhaseEntered(node, Phase.WAITING, msg("the other nodes are still being provisioned"))
        )
        scheduler.wait_for_all()
    return NodeRun(outcome, verify_node(lab, node, selected, verifier))


def _converge_node(
    lab: Lab,
    node: str,
    playbooks: Sequence[Playbook],
    options: ProvisionOptions,
    scheduler: Scheduler,
    patience: float,
) -> Outcome:
    record = lab.state.node(node)

    def keep(facts: Facts, choices: dict[str, Any]) -> None:
        if options.check:  # must not affect the next run
            choices = record.choices if record.facts in (None, facts) else {}
        if (record.facts, record.choices) != (facts, choices):
            record.facts, record.choices = facts, choices
            lab.state.save(node, record)

    first_contact = record.facts is None and not lab.uses_vagrant
    with lab.connection(node, patience=patience) as connection:
        try:
            outcome = converge(
                connection,
                playbooks,
                lambda facts, choices: lab.play(node, facts, choices, playbooks),
                emit=lab.emit,
                facts=record.facts,
                choices=record.choices,
                refresh=options.refresh,
                check=options.check,
                only=options.only,
                query_peer=peer_queries(lab, node, scheduler),
                on_playbook_done=lambda playbook: scheduler.on_playbook_done(node, playbook),
                keep=keep,
            )
        finally:
            if first_contact:
                _tell_noise(lab, connection)
    keep(outcome.facts, outcome.choices)
    return outcome


def _tell_noise(lab: Lab, connection: Connection) -> None:
    """Emit a notice if the login shell prints something by itself."""
    heard = noise(connection.noise, lab.target(connection.name).user)
    if heard is not None:
        lab.emit(Notice(connection.name, one_line(heard)))


def verify_node(
    lab: Lab, node: str, playbooks: Sequence[Playbook], verifier: Verifier
) -> NodeReport:
    """Run the checks of `playbooks` on a node.

    Raises:
        LabctlError: the checks could not run. A failing check is not an error.
    """
    lab.emit(PhaseEntered(node, Phase.VERIFYING))
    lab.supply.reach(node)
    report = verifier.verify(node, playbooks)
    Durations(lab.workspace.durations).learn("verify", [report])
    lab.emit(ended(report))
    return report


def ended(report: NodeReport) -> PhaseEntered:
    """Return the event for the end of a node's checks or exercises."""
    failed = len(report.failed)
    if not failed:
        return PhaseEntered(report.node, Phase.DONE)
    note = msg("1 check failed") if failed == 1 else msg("{count} checks failed", count=failed)
    return PhaseEntered(report.node, Phase.FAILED, note)


@contextlib.contextmanager
def failing(lab: Lab, node: str) -> Iterator[None]:
    """Emit the phase `FAILED` if the work on a node raises an error."""
    try:
        yield
    except LabctlError as error:
        proxy.hide_passwords(lab, error)
        lab.emit(PhaseEntered(node, Phase.FAILED, error.message))
        raise
