"""A docker-compose project that is up with its current files."""

from __future__ import annotations

from dataclasses import dataclass

from labctl.messages import msg
from labctl.provision.resources.base import Change, Observed, shell_script

KEPT = "/var/lib/labctl/projects"
"""Folder on a node with the digest that each project was started from, and its containers."""


@dataclass(frozen=True, slots=True)
class ComposeProject:
    """Every service of a project runs or has exited with 0, and was created from these files.

    Parameters:
        name: the project's name.
        folder: where its docker-compose.yml is on the node.
        digest: of all its files.
    """

    name: str
    folder: str
    digest: str

    @property
    def id(self) -> str:
        return f"project:{self.name}"

    @property
    def _kept(self) -> str:
        return f"{KEPT}/{self.name}"

    def probe(self) -> str:
        return shell_script(
            __file__,
            *("project_containers.sh", "project_probe.sh"),
            project=self.name,
            kept=self._kept,
        )

    def plan(self, observed: Observed) -> Change | None:
        kept, _, now = observed.output.partition("=\n")
        digest, *containers = kept.split() or [""]
        states = {line.split(" ")[0]: line.split(" ")[1:] for line in now.splitlines()}
        bad = [
            one
            for one in containers
            if states.get(one, [""])[0] != "running" and states.get(one) != ["exited", "0"]
        ]
        if digest == self.digest and containers and not bad:
            return None
        script = shell_script(
            __file__,
            *("project_containers.sh", "project_up.sh"),
            project=self.name,
            folder=self.folder,
            digest=self.digest,
            kept=self._kept,
        )
        was = "as before" if digest == self.digest else digest[:12] or "not up"
        diff = f"-{was}, {len(bad)} of {len(containers)} down\n+{self.digest[:12]}, all up"
        return Change(msg("bring the project {name} up", name=self.name), script, diff)
