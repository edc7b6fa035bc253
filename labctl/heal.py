"""One node beyond a student's repair: mended, put back, or made anew, the others untouched."""

from __future__ import annotations

from collections.abc import Sequence

from labctl.bringup import Bringer, prepare
from labctl.errors import LabctlError, UsageError
from labctl.events import Notice
from labctl.lab import Lab
from labctl.lifecycle import woken
from labctl.operations import NodeRun, Options, work_on
from labctl.playbook import Playbook
from labctl.verify import Verifier


def heal(lab: Lab, node: str, *, checkpoint: str | None = None, rebuild: bool = False) -> NodeRun:
    """Get a node back into a verified state, by the gentlest means that helps.

    First it is provisioned and verified as it is. If that does not help, it goes back to
    `checkpoint` where one is named, or is destroyed and made anew where `rebuild` allows it.

    Parameters:
        lab: the lab.
        node: the node's name.
        checkpoint: to go back to; what happened on the node since is lost.
        rebuild: whether the node may be made anew; everything on it is lost.

    Returns:
        What was done in the end, with a report in which every check passed.

    Raises:
        LabctlError: nothing that was allowed helped.
    """
    lab.node(node)
    playbooks = lab.playbooks()
    with lab.state.locked("heal"), Verifier(lab, 1) as verifier:
        try:
            return _healthy(lab, node, playbooks, verifier)
        except LabctlError as error:
            if checkpoint is None and not rebuild:
                error.hint = (
                    f"go back with `labctl heal {node} --checkpoint NAME`, "
                    f"or make it anew with `labctl heal {node} --rebuild`"
                )
                raise
            lab.emit(Notice(node, f"provisioning did not help: {error.message}"))
        machines = lab.machines()
        if checkpoint is not None:
            if checkpoint not in machines.checkpoints(node):
                raise UsageError(f"there is no checkpoint '{checkpoint}'", node=node)
            lab.emit(Notice(node, f"going back to the checkpoint {checkpoint}"))
            machines.restore(node, checkpoint, emit=lab.emit)
            woken(lab, machines, node)
            try:
                return _healthy(lab, node, playbooks, verifier)
            except LabctlError as error:
                if not rebuild:
                    raise
                lab.emit(Notice(node, f"the checkpoint did not help: {error.message}"))
        lab.emit(Notice(node, "making it anew"))
        machines.destroy(node, emit=lab.emit)
        lab.hostkeys.forget(node)
        lab.state.forget(node)
        prepare(lab, machines)
        Bringer(lab, machines, [node]).up(node)
        return _healthy(lab, node, playbooks, verifier)


def _healthy(lab: Lab, node: str, playbooks: Sequence[Playbook], verifier: Verifier) -> NodeRun:
    """Provision and verify; a failing check is an error here."""
    run = work_on(lab, node, playbooks, Options(), verifier)
    if run.report and run.report.failed:
        first = run.report.failed[0]
        raise LabctlError(
            f"{len(run.report.failed)} checks failed",
            node=node,
            details="\n".join(f"{c.playbook}: {c.title}: {c.message}" for c in run.report.failed),
            hint=f"begin with {first.playbook}: {first.title}",
        )
    return run
