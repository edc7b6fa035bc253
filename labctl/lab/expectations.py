"""The expectations of playbooks' checks, and running the checks."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from labctl.checks.report import NodeReport
from labctl.config.playbook_modules import package_name
from labctl.lab.durations import Durations
from labctl.provision.loader import Playbook
from labctl.storage import write

if TYPE_CHECKING:
    from labctl.checks.pool import WorkerPool
    from labctl.lab.lab import Lab


def wanted(lab: Lab, node: str, playbooks: Iterable[str] = ()) -> dict[str, Any]:
    """Return the values that the checks of a node may expect.

    They are also stored in the lab's state, for running the checks without labctl.

    Parameters:
        lab: the lab.
        node: the node's name.
        playbooks: names of playbooks in addition to those of lab.yaml.
    """
    spec = lab.spec
    record = lab.state.node(node)
    books = lab.playbooks(playbooks)
    running = [book.name for book in books]
    return {
        "name": node,
        "user": lab.target(node).user,
        "address": lab.node(node).address,
        "nodes": {n.name: n.address for n in lab.nodes if n.address is not None},
        "toolchain": asdict(spec.resolved_toolchain),
        "compose_sha256": spec.compose_sha256,
        "docker": spec.docker.model_dump(mode="json"),
        "sources": spec.sources.model_dump(mode="json"),
        "choices": {key: value["answer"] for key, value in record.choices.items()},
        "playbooks": running,
        **_expected(lab, books),
    }


def _expected(lab: Lab, playbooks: Sequence[Playbook]) -> dict[str, Any]:
    """Return what the functions `expected` of playbooks return, by the playbooks' names."""
    found = {
        package_name(book.name): book.expected(lab.spec, lab.secret_store)
        for book in playbooks
        if book.expected is not None
    }
    return {name: value for name, value in found.items() if value is not None}


class Verifier:
    """Checks nodes. A context manager, because it owns processes.

    Parameters:
        lab: the lab.
        processes: greatest number of nodes at once; 0 starts no process.
    """

    def __init__(self, lab: Lab, processes: int) -> None:
        self._lab = lab
        self._pool: WorkerPool | None = None
        if processes:
            # Imported here, because process pools are slow to import.
            from labctl.checks.pool import WorkerPool

            self._pool = WorkerPool(min(processes, lab.parallel), lab.emit)

    def __enter__(self) -> Verifier:
        if self._pool is not None:
            self._pool.__enter__()
            self._lab.stop.add(self._pool.stop)
        return self

    def __exit__(self, *error: object) -> None:
        if self._pool is not None:
            self._pool.__exit__(*error)

    def verify(self, node: str, playbooks: Sequence[Playbook]) -> NodeReport:
        """Run the checks of `playbooks` on a node.

        Raises:
            VerifyError: they could not be run at all.
            RemoteError: the node could not be reached.
        """
        from labctl.checks.request import Request

        assert self._pool is not None, "this Verifier has no processes"
        lab = self._lab
        names = [book.name for book in playbooks]
        expectations = wanted(lab, node, names)
        return self._pool.run(
            Request(
                node=node,
                target=lab.target(node),
                known_hosts=lab.workspace.known_hosts,
                passwords=lab.passwords,
                files=tuple(
                    (book.name, book.verify)
                    for book in playbooks
                    # A playbook that expects nothing is not used by this lab.
                    if book.verify
                    and (book.expected is None or package_name(book.name) in expectations)
                ),
                wanted=write_wanted(lab, node, expectations),
                log=lab.workspace.log(node, "verify"),
                usual=Durations(lab.workspace.durations).usual("verify"),
            )
        )


def write_wanted(lab: Lab, node: str, values: Mapping[str, Any]) -> Path:
    """Write the values that the tests of a node may expect; return the file."""
    path = lab.workspace.wanted.with_name(f"wanted.{node}.json")
    write(path, json.dumps(values, indent=2) + "\n")
    return path
