"""The login of a node's user to a registry."""

from __future__ import annotations

import base64
from dataclasses import dataclass, field

from labctl.messages import msg
from labctl.provision.resources.base import Change, Observed, PeerQuery, quote


@dataclass(frozen=True, slots=True)
class RegistryLogin:
    """``docker login`` for one user of the node, as if that user had done it.

    Other registries in the user's ``~/.docker/config.json`` stay.

    Parameters:
        user: login name on the node.
        registry: HOST:PORT.
        name: the registry's user.
        password: that user's password; never shown.
        query: waits until the registry answers.
    """

    user: str
    registry: str
    name: str
    password: str = field(repr=False)
    query: PeerQuery | None = None

    @property
    def id(self) -> str:
        return f"login:{self.registry}:{self.user}"

    def probe(self) -> str:
        """Return sh that succeeds if docker's file has the login; spaces in it are ignored."""
        auth = base64.b64encode(f"{self.name}:{self.password}".encode()).decode()
        entry = f'"{self.registry}":{{"auth":"{auth}"}}'
        return (
            f"home=$(getent passwd {quote(self.user)} | cut -d: -f6)\n"
            'tr -d " \\t\\n" <"$home/.docker/config.json" 2>/dev/null'
            f" | grep -qF -e {quote(entry)}"
        )

    def plan(self, observed: Observed) -> Change | None:
        if observed.ok:
            return None
        # A login shell's environment is not needed, but the user's own HOME and groups are.
        script = (
            f"printf %s {quote(self.password)} | sudo -n -H -u {quote(self.user)}"
            f" docker login --username {quote(self.name)} --password-stdin {quote(self.registry)}"
        )
        summary = msg("log {user} in to {registry}", user=self.user, registry=self.registry)
        return Change(summary, script, f"+{self.name}", self.query)
