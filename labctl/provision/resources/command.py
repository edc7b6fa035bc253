"""A shell command with its own check, for whatever no other resource covers."""

from __future__ import annotations

from dataclasses import dataclass

from labctl.provision.resources.base import Change, Observed, PeerQuery


@dataclass(frozen=True, slots=True)
class Command:
    """Run `apply` unless `check` succeeds.

    Parameters:
        name: its effect in a few words, unique within the playbook.
        check: POSIX sh that changes nothing; exit code 0 means that there is nothing to do.
        apply: POSIX sh that does it; afterwards `check` must succeed.
        query: a value that `apply` needs from another node, in its variable ``answer``.
    """

    name: str
    check: str
    apply: str
    query: PeerQuery | None = None

    @property
    def id(self) -> str:
        return f"command:{self.name}"

    def probe(self) -> str:
        return self.check

    def plan(self, observed: Observed) -> Change | None:
        if observed.ok:
            return None
        seen = observed.output.strip() or "not done"
        return Change(self.name, self.apply, f"-{seen}\n+{self.name}", self.query)
