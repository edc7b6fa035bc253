"""Run the checks of the lab's playbooks."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from labctl.lab.actions.node_run import NodeRun, chosen, failing, verify_node
from labctl.lab.expectations import Verifier
from labctl.lab.lab import Lab
from labctl.parallel import Result, each


def verify(
    lab: Lab, limit: Iterable[str], only: Sequence[str], extra: Iterable[str] = ()
) -> list[Result[NodeRun]]:
    """Run the checks of the lab's playbooks on nodes that are up.

    Parameters:
        lab: the lab.
        limit: names or patterns of nodes; if empty, all.
        only: names of playbooks to check; if empty, all.
        extra: names of playbooks in addition to those of lab.yaml.

    Returns:
        A result for each node, in the lab's order.

    Raises:
        LabctlError: an error of the whole lab, such as a playbook that does not exist.
    """
    nodes = lab.select(limit)
    playbooks = chosen(lab.playbooks(extra), only)
    lab.workspace.make()  # what the checks expect is written there
    with Verifier(lab, len(nodes)) as verifier:

        def work(node: str) -> NodeRun:
            with failing(lab, node):
                return NodeRun(report=verify_node(lab, node, playbooks, verifier))

        return each(nodes, work, cap=lab.parallel, stop=lab.stop)
