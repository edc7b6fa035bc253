"""A rehearsal's lease of a node, recorded on the node.

A node can be used by several rehearsals at once: its own, and those of other nodes whose exercises
need a second node. Each creates a folder ``/var/tmp/rehearse/TOKEN`` on the node before it makes
anything there, and removes it last. Its files:

- ``TOKEN/owner``: the name of the node that is being rehearsed.
- ``TOKEN/pulling``: exists while the rehearsal still has images to pull.
- ``pulled`` and ``networks``, beside the folders: images and networks that the last rehearsal to
  leave removes, because the others may be using them.

A rehearsal that was killed leaves a stale lease. The next rehearsal removes it with everything that
carries its token.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import PurePosixPath

from labctl.checks.exercises import docker_objects
from labctl.checks.exercises.node_commands import NodeCommands

LEASES = PurePosixPath("/var/tmp/rehearse")

LONGEST_WAIT = 600
"""Probes, about a second apart, for which `Lease.wait_for_pulls` waits. It must end well before
`labctl.checks.exercises.node_commands.LIMIT`, which would make it an error."""


class Lease:
    """One rehearsal's use of one node.

    Parameters:
        commands: runs commands on the node.
        owner: the name of the node that is being rehearsed; another one if the exercises of that
            node use this one as well.
        token: eight hex digits that identify the rehearsal.
        nodes: the names of all of the lab's nodes.
    """

    def __init__(
        self, commands: NodeCommands, owner: str, token: str, nodes: Sequence[str]
    ) -> None:
        self._commands = commands
        self._run = commands.run
        self._owner = owner
        self._token = token
        self._nodes = nodes

    @property
    def folder(self) -> PurePosixPath:
        """The lease's folder on the node."""
        return LEASES / self._token

    def acquire(self) -> None:
        """Create the lease, then remove stale ones."""
        own = self.folder
        # Twice, because the last one to leave may have removed the parent folder in between.
        self._run(
            "{ mkdir -p %s || mkdir -p %s; } && echo %s >%s", own, own, self._owner, own / "owner"
        )
        for token in self._stale():
            docker_objects.remove(self._commands, token)
            self._release(token)

    def release(self) -> None:
        """Remove the lease. The last one to leave removes what rehearsals share."""
        self._release(self._token)

    def remove_image_later(self, name: str) -> None:
        """Let the last rehearsal to leave remove an image."""
        self._run("echo %s >>%s", name, LEASES / "pulled")

    def remove_network_later(self, name: str) -> None:
        """Let the last rehearsal to leave remove a network."""
        self._run("echo %s >>%s", name, LEASES / "networks")

    def set_pulling(self, pulling: bool) -> None:
        """Record that this rehearsal still has images to pull on the node, or no longer has."""
        self._run("touch %s" if pulling else "rm -f %s", self.folder / "pulling")

    def wait_for_pulls(self, token: str) -> None:
        """Wait until another rehearsal has no more images to pull on the node.

        Returns after about ten minutes in any case, because that rehearsal may have been killed.

        Parameters:
            token: of that rehearsal. If it has no lease on the node, this returns at once.
        """
        probe = f"for i in $(seq {LONGEST_WAIT}); do [ -e %s ] || exit 0; sleep 1; done"
        self._run(probe, LEASES / token / "pulling", ok=False)

    def _release(self, token: str) -> None:
        self._commands.delete(f"{LEASES / token}")
        if self._owners():
            return
        for network in self._listed("networks"):
            self._run("docker network rm %s", network, ok=False)
        for image in self._listed("pulled"):
            self._run("docker image rm %s", image, ok=False)  # fails if it is in use by now
        self._run("cd %s && rm -f pulled networks; rmdir %s", LEASES, LEASES, ok=False)

    def _listed(self, file: str) -> list[str]:
        """Return the words in a shared file, none twice."""
        return list(dict.fromkeys(self._run("cat %s", LEASES / file, ok=False).stdout.split()))

    def _owners(self) -> dict[str, str]:
        """Return the owner of each lease on the node, by token."""
        listed = self._run("cd %s && grep -H . */owner", LEASES, ok=False).stdout
        pairs = (line.partition("/owner:") for line in listed.splitlines())
        return {t: owner for t, _, owner in pairs if docker_objects.TOKEN.fullmatch(t)}

    def _stale(self) -> list[str]:
        """Return the tokens of rehearsals that have ended and left something.

        Those are the rehearsals without a lease, of this node (only one runs at a time), and of
        nodes that the lab does not have.
        """
        owners = self._owners()
        # Every node lists an overlay network, also nodes that its rehearsal does not use.
        objects = docker_objects.find(self._commands)
        known = owners.keys() | {found.token for found in objects if found.kind != "overlay"}
        running = set(self._nodes) - {self._owner}
        return sorted(t for t in known - {self._token} if owners.get(t) not in running)
