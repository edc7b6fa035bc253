"""Firewall rules of nodes, as a likely reason why one node does not reach another."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from labctl.messages import msg

if TYPE_CHECKING:
    from labctl.checks.exercises.sandbox import Sandbox

GATEWAY = "docker_gwbridge"
"""The bridge that the engine creates for the first container on an overlay network, and keeps."""


@contextmanager
def firewall_hint(problem: str, *sandboxes: Sandbox) -> Iterator[None]:
    """Prefix an error of an exercise with the problem and the firewall rules that may cause it.

    Parameters:
        problem: what does not work.
        sandboxes: on the nodes whose rules may cause it.
    """
    try:
        yield
    except AssertionError as error:
        rules = [f"{sandbox.node}: {rule}" for sandbox in sandboxes for rule in dropping(sandbox)]
        why = (
            msg("rules that drop packets: {rules}", rules="; ".join(rules))
            if rules
            else msg("no rule drops packets")
        )
        raise AssertionError(
            msg("{problem} ({why}). {error}", problem=problem, why=why, error=error)
        ) from error


def dropping(sandbox: Sandbox) -> list[str]:
    """Return a node's firewall rules that drop or reject packets, except the engine's."""
    with sandbox.host.sudo():
        rules = sandbox.run("iptables --wait -S", ok=False).stdout.splitlines()
    return [
        rule
        for rule in rules
        if ("-j DROP" in rule or "-j REJECT" in rule or rule in ("-P INPUT DROP", "-P OUTPUT DROP"))
        and (" DOCKER" not in rule or " DOCKER-USER " in rule)
        and GATEWAY not in rule
    ]
