"""The use case: rehearse the course on the lab's nodes, all of them at once.

The lab's lock is held: an exercise must not meet a node that is being changed, and two rehearsals
would take each other's containers for leftovers.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterable, Mapping, Sequence

from labctl.checks.exercises.result import Rehearsal
from labctl.checks.pool import WorkerPool
from labctl.checks.report import NodeReport
from labctl.checks.request import Request
from labctl.errors import Interrupted, LabctlError, MachineError, UsageError
from labctl.events import Phase, PhaseEntered
from labctl.lab.expectations import wanted, write_wanted
from labctl.lab.lab import Lab
from labctl.lab.overlay_repair import restart_engines
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
"""What a reader of the result wants to know of a node, and what tells it there."""


def rehearse(
    lab: Lab, limit: Iterable[str], names: Iterable[str], extra: Sequence[str] = ()
) -> Rehearsal:
    """Perform sections of the course on nodes that are up.

    Parameters:
        lab: the lab.
        limit: names or patterns of nodes; none: all.
        names: of sections; none: all.
        extra: names of playbooks that the lab runs besides those of lab.yaml.

    Raises:
        PlaybookError: there is no such playbook, or it cannot be loaded.
        UsageError: there is no such node or section; no machine was touched.
        LabLocked: another labctl works on the lab.
        Interrupted: the user pressed Ctrl-C; what the exercises had made was removed.
    """
    nodes = lab.select(limit)
    sections = choose(discover(lab, extra), names)
    if not sections:
        raise UsageError(
            "there is nothing to rehearse", hint="write course/NAME.py beside lab.yaml"
        )
    running = [book.name for book in lab.playbooks(extra)]
    tokens = {node: secrets.token_hex(4) for node in nodes}
    began = time.time()
    with (
        lab.state.locked("rehearse"),
        restart_engines(lab, nodes, running),
        WorkerPool(min(len(nodes), lab.spec.parallel), lab.emit) as pool,
    ):
        lab.stop.add(pool.stop)

        def work(node: str) -> NodeReport:
            try:
                lab.emit(PhaseEntered(node, Phase.REHEARSING))
                report = pool.run(_request(lab, node, sections, tokens, running))
            except LabctlError as error:
                lab.emit(PhaseEntered(node, Phase.FAILED, error.message))
                raise
            failed = len(report.failed)
            note = f"{failed} exercise{'s' if failed > 1 else ''} failed" if failed else ""
            lab.emit(PhaseEntered(node, Phase.FAILED if failed else Phase.DONE, note))
            return report

        try:
            results = each(nodes, work, cap=lab.spec.parallel, stop=lab.stop)
        except Interrupted as error:
            error.hint = "what the exercises had made was removed; the same command begins anew"
            raise
    names = tuple(section.name for section in sections)
    return Rehearsal(lab.spec.name, names, tuple(results), began, time.time() - began)


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
        sudo_password=lab.sudo_password,
        files=tuple((section.name, file) for section in sections for file in section.files),
        wanted=write_wanted(lab, node, values),
        log=lab.workspace.log(node, "rehearse"),
        rehearsal=True,
        shared=shared(lab),
        peers=tuple(_peers(lab, node)),
        versions=VERSIONS,
    )


def _peers(lab: Lab, node: str) -> Iterable[Target]:
    """Yield how the lab's other nodes are reached; those that were never made are none."""
    for name in lab.spec.node_names:
        if name != node:
            try:
                yield lab.target(name)
            except MachineError:
                continue
