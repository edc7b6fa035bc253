"""The engine that runs is the one that is installed, and its firewall rules are there."""

from __future__ import annotations

from dataclasses import dataclass

from labctl.messages import joined, msg
from labctl.provision.resources.base import Change, Observed, shell_script
from labctl.provision.resources.service import ENGINE, Service


@dataclass(frozen=True, slots=True)
class RunningEngine:
    """An engine that needs no restart.

    An engine whose program was replaced, as by an update of the package, goes on with the old one.
    And a reload of firewalld, or `iptables -F`, removes the rules that the engine made at its
    start (moby#16816). A restart is the cure for both. Containers that ran are started again.
    """

    @property
    def id(self) -> str:
        return f"engine:{ENGINE}"

    def probe(self) -> str:
        return shell_script(__file__, "running_engine.sh", unit=f"{ENGINE}.service")

    def plan(self, observed: Observed) -> Change | None:
        seen = observed.output.split()
        reasons = []
        if "program" in seen:
            reasons.append(msg("it runs a version that was replaced"))
        if "rules" in seen:
            reasons.append(msg("its firewall rules are gone"))
        if not reasons:
            return None
        why = joined(reasons, "{first}, {then}")
        return Change(
            msg("restart docker: {why}", why=why),
            Service(ENGINE).restart(),
            f"-{why}\n+restarted",
            limit=300,
        )
