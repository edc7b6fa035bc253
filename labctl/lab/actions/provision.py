"""Provision nodes that are up."""

from __future__ import annotations

from collections.abc import Iterable

from labctl.lab import proxy
from labctl.lab.actions.node_run import NodeRun, ProvisionOptions, chosen, failing, work_on
from labctl.lab.expectations import Verifier
from labctl.lab.lab import Lab
from labctl.parallel import Result, each
from labctl.provision.scheduler import Scheduler


def provision(lab: Lab, limit: Iterable[str], options: ProvisionOptions) -> list[Result[NodeRun]]:
    """Provision nodes that are up, and verify them if `options` requires it.

    Raises:
        LabctlError: a problem of the whole lab; no machine was touched.
    """
    nodes = lab.select(limit)
    playbooks = lab.playbooks(options.extra)
    running = [book.name for book in chosen(playbooks, options.only)]
    proxy.announce(lab)
    scheduler = Scheduler(nodes, lab.parallel, lab.stop, running)
    with (
        lab.state.locked("provision"),
        lab.supply,
        Verifier(lab, len(nodes) if options.verify else 0) as verifier,
    ):
        if not lab.uses_vagrant:
            lab.write_ssh_config()

        def work(node: str) -> NodeRun:
            with failing(lab, node), scheduler.slot(node):
                return work_on(lab, node, playbooks, options, verifier, scheduler)

        return each(nodes, work, cap=len(nodes), stop=lab.stop)
