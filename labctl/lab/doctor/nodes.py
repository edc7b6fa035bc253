"""Check machines that exist, without changing them: what labctl finds before its first change."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from labctl.errors import LabctlError, SudoRefused
from labctl.lab.lab import Lab
from labctl.machines.finding import Finding, Level
from labctl.messages import msg
from labctl.parallel import Result, each
from labctl.provision.expand import preflights
from labctl.provision.facts import PROBE, Facts
from labctl.provision.machine_preflight import noise
from labctl.provision.preflight import Findings, Obstacle, Preflight, findings
from labctl.remote.exchange import Shell, exchange

if TYPE_CHECKING:
    from labctl.provision.loader import Playbook
    from labctl.remote.connection import Connection


def examine_nodes(lab: Lab, limit: Iterable[str]) -> list[Result[list[Finding]]]:
    """Check nodes: their login, and all that `labctl.provision.preflight` describes.

    Parameters:
        lab: the lab.
        limit: names or patterns of nodes; none: all.

    Returns:
        The findings of each node, in the lab's order. A node that cannot be reached has a finding
        that says so.

    Raises:
        LabctlError: a problem of the whole lab.
    """
    nodes = lab.select(limit)
    playbooks = lab.playbooks()
    return each(
        nodes,
        lambda node: [replace(found, node=node) for found in _examine(lab, node, playbooks)],
        cap=lab.parallel,
        stop=lab.stop,
    )


class _AsLoginUser:
    """A shell without root's rights, for what a user who cannot become root can still see."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self.name = connection.name

    def run(self, script: str) -> bytes:
        return self._connection.call_script(script)[1]


def _examine(lab: Lab, node: str, playbooks: Sequence[Playbook]) -> Iterator[Finding]:
    try:
        target = lab.target(node)
        with lab.connection(node) as connection:
            shell: Shell = connection
            root = True
            try:
                facts = Facts.read(exchange(shell, [PROBE])[0])
            except SudoRefused as error:
                yield _failed("sudo", error)
                root, shell = False, _AsLoginUser(connection)
                facts = Facts.read(exchange(shell, [PROBE])[0])
            else:
                yield Finding(Level.OK, "sudo", msg("{user} becomes root", user=target.user))
            play = lab.play(node, facts, lab.state.node(node).choices, playbooks)
            checks = preflights(playbooks, play, first_contact=True)
            if not root:
                checks = [check for check in checks if check.at_first_contact]
            seen = exchange(shell, [check.probe() for check in checks])
            for check, observed in zip(checks, seen, strict=True):
                yield from _findings(check, findings(check, observed))
            heard = noise(connection.noise, target.user)
            if heard is not None:
                yield _finding(Level.WARN, "", heard)
    except LabctlError as error:
        yield _failed(msg("login"), error)


def _failed(what: str, error: LabctlError) -> Finding:
    return Finding(Level.FAIL, what, error.message, error.hint)


def _findings(check: Preflight, found: Findings) -> Iterator[Finding]:
    for one in found.obstacles:
        yield _finding(Level.FAIL, check.what, one)
    for one in found.warnings:
        yield _finding(Level.WARN, check.what, one)
    for what, state in found.passed:
        yield Finding(Level.OK, what, state)
    for notice in found.notices:
        yield Finding(Level.OK, check.what, notice)
    if not (found.obstacles or found.warnings or found.passed or found.notices):
        yield Finding(Level.OK, check.what, msg("nothing is in the way"))


def _finding(level: Level, what: str, one: Obstacle) -> Finding:
    return Finding(level, one.what or what, one.message, one.remedy)
