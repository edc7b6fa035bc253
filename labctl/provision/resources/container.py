"""A container that a playbook keeps running, also after a reboot."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass

from labctl.messages import msg
from labctl.provision.resources.base import Change, Observed, quote, shell_script

LABEL = "labctl.container"
"""Label with the digest of a container's definition; if it differs, so does the container."""
READY_SECONDS = 60


@dataclass(frozen=True, slots=True)
class Container:
    """A container that runs, created from this image with these options.

    A container that is missing, stopped or different is recreated, so data that must survive
    belongs in a volume or a folder of the node.

    Parameters:
        name: the container's name.
        image: its image; pulled if missing.
        options: words for ``docker run`` between its own options and the image.
        command: words after the image.
        reads: content of files that it reads only at its start.
        ready: POSIX sh that succeeds as soon as the service in it answers.
    """

    name: str
    image: str
    options: tuple[str, ...] = ()
    command: tuple[str, ...] = ()
    reads: tuple[str, ...] = ()
    ready: str = ":"

    @property
    def id(self) -> str:
        return f"container:{self.name}"

    @property
    def digest(self) -> str:
        """The digest of the container's definition."""
        made_of = json.dumps([self.image, self.options, self.command, self.reads])
        return hashlib.sha256(made_of.encode()).hexdigest()[:32]

    def probe(self) -> str:
        template = f'{{{{.State.Status}}}} {{{{index .Config.Labels "{LABEL}"}}}}'
        return f"docker container inspect --format {quote(template)} {quote(self.name)}"

    def plan(self, observed: Observed) -> Change | None:
        state, _, digest = observed.output.strip().partition(" ")
        if observed.ok and state == "running" and digest == self.digest:
            return None
        if not observed.ok:
            state, summary = "missing", msg("run the container {name}")
        elif digest != self.digest:
            summary = msg("replace the container {name}")
        else:
            summary = msg("run the container {name} again")
        words = (
            *("docker", "run", "--detach", "--name", self.name, "--restart", "always"),
            *("--label", f"{LABEL}={self.digest}", *self.options, self.image, *self.command),
        )
        functions = shell_script(
            __file__,
            "container_run.sh",
            name=self.name,
            ready=self.ready,
            seconds=str(READY_SECONDS),
        )
        script = f"{functions}replace {' '.join(map(quote, words))}\nwait_until_ready"
        return Change(msg(summary, name=self.name), script, f"-{state}\n+running {self.image}")
