"""A project of docker-compose that is up, with the files that it has now."""

from __future__ import annotations

from dataclasses import dataclass

from labctl.provision.resources.base import Change, Observed, quote

KEPT = "/var/lib/labctl/projects"
"""Folder on a node that remembers what each project was brought up from, and its containers."""


@dataclass(frozen=True, slots=True)
class ComposeProject:
    """Every service of a project runs, or has ended well, and was made from these files.

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

    @property
    def _containers(self) -> str:
        """The ids of the services' containers; docker-compose itself takes a second to start.

        What somebody started by `docker-compose run` is none of them, however it ended.
        """
        project = quote(f"label=com.docker.compose.project={self.name}")
        services = f"--filter {project} --filter label=com.docker.compose.oneoff=False"
        return f"$(docker ps --all --quiet --no-trunc {services})"

    def probe(self) -> str:
        """Print the digest that was brought up, its containers, and how those there are now."""
        state = quote("{{.Id}} {{.State.Status}} {{.State.ExitCode}}")
        return (
            f"cat {quote(self._kept)} 2>/dev/null; echo '='\n"
            f'for id in {self._containers}; do docker inspect --format {state} "$id"; done'
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
        kept_file = quote(self._kept)
        script = "\n".join(
            [
                "set -e",
                f"cd {quote(self.folder)}",
                f"docker-compose --project-name {quote(self.name)} up --detach --build"
                " --remove-orphans 2>&1",
                "sleep 1",
                f"mkdir -p {KEPT}",
                f"{{ echo {self.digest}",
                f'  for id in {self._containers}; do echo "$id"; done; }} >{kept_file}.new',
                f"mv -f {kept_file}.new {kept_file}",
                f"for id in {self._containers}; do",
                '  [ "$(docker inspect --format \'{{.State.Status}}\' "$id")" = running ]'
                ' || docker logs --tail 10 "$id" 2>&1',
                "done",
            ]
        )
        was = "as before" if digest == self.digest else digest[:12] or "not up"
        diff = f"-{was}, {len(bad)} of {len(containers)} down\n+{self.digest[:12]}, all up"
        return Change(f"bring the project {self.name} up", script, diff)
