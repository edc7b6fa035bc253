"""The checks of playbooks: what they may expect of a node, and running them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from labctl.playbook import Playbook
from labctl.report import NodeReport
from labctl.state import write
from labctl.verify_pool import WorkerPool
from labctl.verify_worker import Request

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
        self._pool = WorkerPool(min(processes, lab.spec.parallel), lab.emit)

    def __enter__(self) -> Verifier:
        self._pool.__enter__()
        self._lab.stop.add(self._pool.stop)
        return self

    def __exit__(self, *error: object) -> None:
        self._pool.__exit__(*error)

    def verify(self, node: str, playbooks: Sequence[Playbook]) -> NodeReport:
        """Run the checks of `playbooks` on a node.

        Raises:
            VerifyError: they could not be run at all.
            RemoteError: the node could not be reached.
        """
        lab = self._lab
        return self._pool.run(
            Request(
                node=node,
                target=lab.target(node),
                known_hosts=lab.workspace.known_hosts,
                sudo_password=lab.sudo_password,
                files=tuple((book.name, book.verify) for book in playbooks if book.verify),
                wanted=write_wanted(lab, node, wanted(lab, node)),
                log=lab.workspace.log(node, "verify"),
            )
        )


def write_wanted(lab: Lab, node: str, values: Mapping[str, Any]) -> Path:
    """Write what the tests of a node may expect, and return the file."""
    path = lab.workspace.wanted.with_name(f"wanted.{node}.json")
    write(path, json.dumps(values, indent=2) + "\n")
    return path
