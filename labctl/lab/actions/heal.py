"""Repair one node: provision it, restore a checkpoint or recreate it; other nodes are untouched."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from labctl.errors import (
    ChecksFailed,
    ConvergeError,
    Interrupted,
    MachineError,
    RemoteError,
    UsageError,
)
from labctl.events import Notice
from labctl.lab import copies
from labctl.lab.actions.node_run import NodeRun, ProvisionOptions, work_on
from labctl.lab.actions.up import BOOT_PATIENCE
from labctl.lab.boot import BootQueue, prepare, started
from labctl.lab.expectations import Verifier
from labctl.lab.lab import Lab
from labctl.machines.base import Machines, MachineState
from labctl.messages import joined, msg
from labctl.parallel import Result, each
from labctl.provision.loader import Playbook
from labctl.provision.scheduler import Scheduler

SICK = (RemoteError, MachineError, ConvergeError, ChecksFailed)
"""Errors that recreating a node may fix. A playbook that cannot be loaded fails on every node."""


def heal(
    lab: Lab, node: str, *, checkpoint: str | None = None, rebuild: bool = False
) -> Result[NodeRun]:
    """Bring a node back to a verified state with the gentlest means that works.

    The node is first started if needed, provisioned and verified. If that does not help, it is
    restored to `checkpoint`, or recreated if `rebuild` allows it.

    Parameters:
        lab: the lab.
        node: the node's name.
        checkpoint: to restore; later changes on the node are lost.
        rebuild: the node may be recreated; everything on it is lost.

    Returns:
        The result of the last step: a report in which every check passed, or the error that remains
        after every allowed step.

    Raises:
        UsageError: an allowed step is impossible for this node; the node was not touched.
        LabctlError: a problem of the whole lab; the node was not touched.
    """
    lab.node(node)
    if not lab.uses_vagrant and (checkpoint is not None or rebuild):
        raise UsageError(
            msg(
                "{node} is an existing machine, which labctl can neither restore nor recreate",
                node=node,
            ),
            hint=msg("`labctl heal {node}` provisions and verifies it", node=node),
        )
    playbooks = lab.playbooks()
    with lab.state.locked("heal"), lab.supply, Verifier(lab, 1) as verifier:
        machines = lab.machines()
        copies.remove_left(lab)
        states = prepare(lab, machines)
        if checkpoint is not None:
            known = machines.checkpoints(node)
            if checkpoint not in known:
                raise UsageError(
                    msg("unknown checkpoint '{name}'", name=checkpoint),
                    node=node,
                    hint=msg("available: {names}", names=", ".join(known))
                    if known
                    else "the node has no checkpoints",
                )

        def work(name: str) -> NodeRun:
            recovery = Recovery(lab, machines, name, states, playbooks, verifier)
            return recovery.heal(checkpoint, rebuild)

        (result,) = each([node], work, cap=1, stop=lab.stop)
        return result


class Recovery:
    """A node and the steps that can repair it."""

    def __init__(
        self,
        lab: Lab,
        machines: Machines,
        node: str,
        states: Mapping[str, MachineState],
        playbooks: Sequence[Playbook],
        verifier: Verifier,
    ) -> None:
        self._lab, self._machines, self._node = lab, machines, node
        self._states = states
        self._playbooks, self._verifier = playbooks, verifier

    def heal(self, checkpoint: str | None, rebuild: bool) -> NodeRun:
        """Try one step after the other, the gentlest first."""
        try:
            return self._as_it_is()
        except SICK as error:
            self._unless_interrupted()
            if checkpoint is None and not rebuild:
                others = self._other_ways()
                error.hint = (
                    msg("{first}; {then}", first=error.hint, then=others) if error.hint else others
                )
                raise
            self._notice(msg("provisioning did not help: {error}", error=error.message))
        if checkpoint is not None:
            try:
                return self._restore(checkpoint)
            except SICK as error:
                self._unless_interrupted()
                if not rebuild:
                    raise
                self._notice(msg("the checkpoint did not help: {error}", error=error.message))
        return self._recreate()

    def _other_ways(self) -> str:
        """Return what else may help; an existing machine has neither checkpoints nor a box."""
        if not self._lab.uses_vagrant:
            return msg("`labctl ssh {node}` opens a shell on the machine", node=self._node)
        return msg(
            "`labctl heal {node} --checkpoint NAME` restores a checkpoint, `labctl heal "
            "{node} --rebuild` recreates the node",
            node=self._node,
        )

    def _as_it_is(self) -> NodeRun:
        BootQueue(self._lab, self._machines, [self._node], self._states).up(self._node)
        return self._healthy()

    def _restore(self, checkpoint: str) -> NodeRun:
        self._notice(msg("restoring the checkpoint {checkpoint}", checkpoint=checkpoint))
        with started(self._lab, self._machines, self._node):
            self._machines.restore(self._node, checkpoint, emit=self._lab.emit)
        return self._healthy()

    def _recreate(self) -> NodeRun:
        self._notice(msg("recreating the node"))
        self._machines.destroy(self._node, emit=self._lab.emit)
        self._lab.hostkeys.forget(self._node)
        self._lab.state.forget(self._node)
        self._states = {}
        return self._as_it_is()

    def _unless_interrupted(self) -> None:
        """Stop after Ctrl-C, because an interrupted step looks like a broken node."""
        if self._lab.stop.requested.is_set():
            raise Interrupted("interrupted", node=self._node)

    def _notice(self, message: str) -> None:
        self._lab.emit(Notice(self._node, message))

    def _healthy(self) -> NodeRun:
        """Provision and verify; a failing check is an error here."""
        scheduler = Scheduler([self._node], 1, self._lab.stop)
        with scheduler.slot(self._node):
            run = work_on(
                self._lab,
                self._node,
                self._playbooks,
                ProvisionOptions(),
                self._verifier,
                scheduler,
                BOOT_PATIENCE,
            )
        failed = run.report.failed if run.report else ()
        if failed:
            raise ChecksFailed(
                msg("{count} checks failed", count=len(failed)),
                node=self._node,
                details=joined(
                    (
                        msg(
                            "{section}: {title}: {message}",
                            section=check.section,
                            title=check.title,
                            message=check.message,
                        )
                        for check in failed
                    ),
                    "{first}\n{then}",
                ),
                hint=msg(
                    "start with {section}: {title}",
                    section=failed[0].section,
                    title=failed[0].title,
                ),
            )
        return run
