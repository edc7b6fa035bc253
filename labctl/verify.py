"""Running the checks: one process a node, all nodes at once.

pytest keeps its state in its process, so nodes that are to be checked side by side need a process
each. They are forked off a server that has imported pytest and testinfra already, where the system
can fork; so the import is paid once, and while machines still boot.
"""

from __future__ import annotations

import json
import multiprocessing
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from labctl.errors import VerifyError
from labctl.playbook import Playbook
from labctl.report import NodeReport
from labctl.state import write
from labctl.verify_worker import Request, run

if TYPE_CHECKING:
    from labctl.lab import Lab


def wanted(lab: Lab, node: str) -> dict[str, Any]:
    """Return what the checks of a node may expect, as plain values.

    The same values stand in the lab's state for running the checks without labctl.
    """
    spec = lab.spec
    record = lab.state.node(node)
    return {
        "name": node,
        "user": lab.target(node).user,
        "address": lab.node(node).address,
        "nodes": {n.name: n.address for n in spec.lab_nodes if n.address is not None},
        "toolchain": asdict(spec.resolved_toolchain),
        "compose_sha256": spec.compose_sha256,
        "docker": spec.docker.model_dump(mode="json"),
        "sources": spec.sources.model_dump(mode="json"),
        "choices": {key: value["answer"] for key, value in record.choices.items()},
        "playbooks": list(spec.playbooks),
    }


class Verifier:
    """Checks nodes; a context manager, for it holds processes.

    Parameters:
        lab: the lab.
        processes: greatest number of nodes to be checked at once; 0 starts nothing.
    """

    def __init__(self, lab: Lab, processes: int) -> None:
        self._lab = lab
        self._processes = min(processes, lab.spec.parallel)
        self._pool: ProcessPoolExecutor | None = None

    def __enter__(self) -> Verifier:
        if self._processes:
            methods = multiprocessing.get_all_start_methods()
            context = multiprocessing.get_context(
                "forkserver" if "forkserver" in methods else "spawn"
            )
            if "forkserver" in methods:
                context.set_forkserver_preload(["labctl.verify_worker", "labctl.verify_preload"])
            self._pool = ProcessPoolExecutor(self._processes, mp_context=context)
        return self

    def __exit__(self, *_: object) -> None:
        if self._pool is not None:
            self._pool.shutdown(wait=False, cancel_futures=True)

    def verify(self, node: str, playbooks: Sequence[Playbook]) -> NodeReport:
        """Run the checks of `playbooks` on a node.

        Raises:
            VerifyError: they could not be run at all.
            RemoteError: the node could not be reached.
        """
        assert self._pool is not None, "a Verifier checks only inside its context"
        lab = self._lab
        expected = lab.workspace.wanted.with_name(f"wanted.{node}.json")
        write(expected, json.dumps(wanted(lab, node), indent=2) + "\n")
        request = Request(
            node=node,
            target=lab.target(node),
            known_hosts=lab.workspace.known_hosts,
            sudo_password=lab.sudo_password,
            files=tuple((book.name, book.verify) for book in playbooks if book.verify),
            wanted=expected,
            log=lab.workspace.log(node, "verify"),
        )
        try:
            return self._pool.submit(run, request).result()
        except BrokenProcessPool as error:
            raise VerifyError(
                "the process that runs the checks died", node=node, hint="run the command again"
            ) from error
