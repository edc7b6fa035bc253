"""Rehearse the course on the lab's nodes, all at once.

The lab is locked meanwhile, because an exercise must not run on a node that is being changed, and
two rehearsals would remove each other's containers as leftovers.
"""

from __future__ import annotations

import contextlib
import secrets
import time
from collections.abc import Iterable, Mapping, Sequence

from labctl.checks.exercises.result import Rehearsal
from labctl.checks.pool import WorkerPool
from labctl.checks.report import NodeReport
from labctl.checks.request import Request
from labctl.errors import Interrupted, LabctlError, MachineError, UsageError
from labctl.events import Phase, PhaseEntered
from labctl.lab.actions.node_run import ended
from labctl.lab.durations import Durations
from labctl.lab.expectations import wanted, write_wanted
from labctl.lab.lab import Lab
from labctl.lab.rehearsal_repair import repair_afterwards
from labctl.lab.sections import Section, choose, discover, shared
from labctl.parallel import each
from labctl.remote.target import Target

VERSIONS = (
    ("engine", "docker version --format '{{.Server.Version}}'"),
    ("client", "docker version --format '{{.Client.Version}}'"),
    ("containerd", "containerd --version | awk '{print $3}'"),
    ("compose", "docker-compose version --short || docker compose version --short"),
    ("kernel", "uname -r"),
    ("system", "sed -n 's/^PRETTY_NAME=//p' /etc/os-release | tr -d '\"'"),
)
"""The versions in the result: (name, command on the node)."""


def rehearse(
    lab: Lab, limit: Iterable[str], names: Iterable[str], extra: Sequence[str] = ()
) -> Rehearsal:
    """Run the exercises of the course on nodes that are up.

    Parameters:
        lab: the lab.
        limit: names or patterns of nodes; if empty, all.
        names: of sections; if empty, all.
        extra: names of playbooks in addition to those of lab.yaml.

    Raises:
        PlaybookError: a playbook does not exist or cannot be loaded.
        UsageError: a node or section does not exist; no machine was touched.
        LabLocked: another labctl is working on the lab.
        Interrupted: the user pressed Ctrl-C; what the exercises made was removed.
    """
    nodes = lab.select(limit)
    sections = choose(discover(lab, extra), names)
    if not sections:
        raise UsageError("nothing to rehearse", hint="write course/NAME.py beside lab.yaml")
    playbooks = lab.playbooks(extra)
    running = [book.name for book in playbooks]
    tokens = {node: secrets.token_hex(4) for node in nodes}
    began = time.time()
    with (
        lab.state.locked("rehearse"),
        lab.supply,
        repair_afterwards(lab, nodes, playbooks),
        WorkerPool(min(len(nodes), lab.parallel), lab.emit) as pool,
    ):
        lab.stop.add(pool.stop)
        for name in lab.node_names:
            if name not in nodes:  # an exercise may use it as the other node
                with contextlib.suppress(LabctlError):
                    lab.supply.reach(name)

        def work(node: str) -> NodeReport:
            try:
                lab.emit(PhaseEntered(node, Phase.REHEARSING))
                lab.supply.reach(node)
                report = pool.run(_request(lab, node, sections, tokens, running))
            except LabctlError as error:
                lab.emit(PhaseEntered(node, Phase.FAILED, error.message))
                raise
            lab.emit(ended(report))
            return report

        try:
            results = each(nodes, work, cap=lab.parallel, stop=lab.stop)
        except Interrupted as error:
            error.hint = (
                "what the exercises created was removed; run the same command to start again"
            )
            raise
    Durations(lab.workspace.durations).learn("rehearse", [r.value for r in results if r.value])
    names = tuple(section.name for section in sections)
    return Rehearsal(lab.name, names, tuple(results), began, time.time() - began)


def _request(
    lab: Lab,
    node: str,
    sections: Iterable[Section],
    tokens: Mapping[str, str],
    playbooks: Iterable[str],
) -> Request:
    values = wanted(lab, node, playbooks)
    values["rehearsal"] = {"token": tokens[node], "tokens": dict(tokens)}
    return Request(
        node=node,
        target=lab.target(node),
        known_hosts=lab.workspace.known_hosts,
        passwords=lab.passwords,
        files=tuple((section.name, file) for section in sections for file in section.files),
        wanted=write_wanted(lab, node, values),
        log=lab.workspace.log(node, "rehearse"),
        rehearsal=True,
        shared=shared(lab),
        peers=tuple(_peers(lab, node)),
        versions=VERSIONS,
        usual=Durations(lab.workspace.durations).usual("rehearse"),
    )


def _peers(lab: Lab, node: str) -> Iterable[Target]:
    """Yield how to reach the lab's other nodes, except those that were never created."""
    for name in lab.node_names:
        if name != node:
            try:
                yield lab.target(name)
            except MachineError:
                continue
