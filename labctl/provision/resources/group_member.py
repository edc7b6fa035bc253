"""A user's membership in a group."""

from __future__ import annotations

from dataclasses import dataclass

from labctl.messages import msg
from labctl.provision.resources.base import Change, Observed, quote


@dataclass(frozen=True, slots=True)
class GroupMember:
    """`user` belongs to `group`; a missing group is created, a missing user is not."""

    user: str
    group: str

    @property
    def id(self) -> str:
        return f"member:{self.group}:{self.user}"

    def probe(self) -> str:
        return f"id -nG {quote(self.user)}"

    def plan(self, observed: Observed) -> Change | None:
        if not observed.ok:
            raise ValueError(msg("the node has no user {user}", user=self.user))
        if self.group in observed.output.split():
            return None
        script = (
            f"set -e; getent group {quote(self.group)} >/dev/null || "
            f"groupadd --system {quote(self.group)}; "
            f"usermod -aG {quote(self.group)} {quote(self.user)}"
        )
        return Change(
            msg("add {user} to the group {group}", user=self.user, group=self.group),
            script,
            f"+{self.group}",
        )
