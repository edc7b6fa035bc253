"""Run the checks of the lab's playbooks."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from labctl.lab.actions.node_run import (
    NodeRun,
    ProvisionOptions,
    chosen,
    failing,
    verify_node,
)
from labctl.lab.actions.provision import provision
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
    with lab.supply, Verifier(lab, len(nodes)) as verifier:

        def work(node: str) -> NodeRun:
            with failing(lab, node):
                return NodeRun(report=verify_node(lab, node, playbooks, verifier))

        return each(nodes, work, cap=lab.parallel, stop=lab.stop)


def fix(
    lab: Lab, results: Sequence[Result[NodeRun]], only: Sequence[str], extra: Sequence[str] = ()
) -> list[Result[NodeRun]]:
    """Provision the nodes whose checks failed, and check them again.

    Measurements are repeated if a failed check requires it.

    Parameters:
        lab: the lab.
        results: of `verify`.
        only, extra: as for `verify`.

    Returns:
        The results, with those of the second run for the nodes that were provisioned.

    Raises:
        LabctlError: an error of the whole lab.
    """
    failed = {
        result.node: result.value.report.failed
        for result in results
        if result.value and result.value.report and result.value.report.failed
    }
    if not failed:
        return list(results)
    refresh = any("--refresh" in check.fix for checks in failed.values() for check in checks)
    options = ProvisionOptions(extra=tuple(extra), refresh=refresh, verify=False)
    second = {result.node: result for result in provision(lab, list(failed), options)}
    provisioned = [node for node, result in second.items() if result.ok]
    for checked in verify(lab, provisioned, only, extra) if provisioned else ():
        done = second[checked.node].value
        if checked.value is not None and done is not None:
            run = NodeRun(done.outcome, checked.value.report)
            second[checked.node] = Result(checked.node, run)
        else:
            second[checked.node] = checked
    return [second.get(result.node, result) for result in results]
