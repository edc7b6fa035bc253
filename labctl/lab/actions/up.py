"""Bring the lab up, provision it and verify it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from labctl.lab import machine_settings
from labctl.lab.actions.node_run import NodeRun, ProvisionOptions, chosen, failing, work_on
from labctl.lab.boot import BootQueue, prepare
from labctl.lab.expectations import Verifier
from labctl.lab.lab import Lab
from labctl.parallel import Result, each
from labctl.provision.scheduler import Scheduler

BOOT_PATIENCE = 60.0
"""Seconds until the sshd of a machine that its provider reports as up must answer."""


def up(
    lab: Lab,
    limit: Iterable[str],
    options: ProvisionOptions,
    remember: Mapping[str, object] | None = None,
) -> list[Result[NodeRun]]:
    """Bring the lab up, provision it and verify it; each node proceeds as soon as it answers.

    Parameters:
        lab: the lab.
        limit: names or patterns of nodes; none: all.
        options: how to provision.
        remember: flags to save for later runs.

    Returns:
        A result for each node, in the lab's order.

    Raises:
        LabctlError: a problem of the whole lab; no machine was touched.
    """
    nodes = lab.select(limit)
    playbooks = lab.playbooks(options.extra)
    running = [book.name for book in chosen(playbooks, options.only)]
    scheduler = Scheduler(nodes, lab.parallel, lab.stop, running)
    with lab.state.locked("up"):
        machines = lab.machines()
        _add_boxes(lab)
        states = prepare(lab, machines)
        for notice in machine_settings.notices(lab, nodes, states):
            lab.emit(notice)
        if remember:
            lab.state.save_flags({**lab.state.flags(), **remember})
        bring = BootQueue(lab, machines, nodes, states)
        with lab.supply, Verifier(lab, len(nodes) if options.verify else 0) as verifier:

            def work(node: str) -> NodeRun:
                with failing(lab, node), scheduler.slot(node):
                    bring.up(node)
                    return work_on(
                        lab, node, playbooks, options, verifier, scheduler, BOOT_PATIENCE
                    )

            return each(nodes, work, cap=len(nodes), stop=lab.stop)


def _add_boxes(lab: Lab) -> None:
    """Give Vagrant the boxes of the lab's kit that it lacks."""
    if lab.kit is None or not lab.uses_vagrant:
        return
    from labctl.kit import boxes

    for box in lab.kit.manifest.boxes:
        if box.provider == lab.provider:
            boxes.add(lab.kit, box, lab.workspace.state)
