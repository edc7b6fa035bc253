"""A shell command with a check of its own: what no other resource fits."""

from __future__ import annotations

from dataclasses import dataclass

from labctl.provision.resources.base import Change, Observed, PeerQuery


@dataclass(frozen=True, slots=True)
class Command:
    """Run `apply` unless `check` succeeds.

    Parameters:
        name: what it achieves, unique within the playbook.
        check: POSIX sh that only looks; exit code 0 means that nothing needs doing.
        apply: POSIX sh that does it; afterwards `check` must succeed.
        ask: what another node must tell first; `apply` finds it in the variable ``answer``.
    """

    name: str
    check: str
    apply: str
    ask: PeerQuery | None = None

    @property
    def id(self) -> str:
        return f"command:{self.name}"

    def probe(self) -> str:
        return self.check

    def plan(self, observed: Observed) -> Change | None:
        if observed.ok:
            return None
        seen = observed.output.strip() or "not so"
        return Change(self.name, self.apply, f"-{seen}\n+{self.name}", self.ask)
