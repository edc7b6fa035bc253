"""A container that a playbook keeps running: the right one, and started again after a reboot."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass

from labctl.provision.resources.base import Change, Observed, quote

LABEL = "labctl.container"
"""Carries the digest of what the container was made from; another digest means another one."""
READY_SECONDS = 60


@dataclass(frozen=True, slots=True)
class Container:
    """A container that runs, made from this image with these options.

    One that is missing, stopped, or made from anything else is made anew; so what has to survive
    belongs into a volume or a folder of the node.

    Parameters:
        name: the container's name.
        image: what it runs; pulled where it is missing.
        options: words for ``docker run`` between its own options and the image.
        command: words after the image.
        reads: content of files that it reads only when it starts.
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
        """What tells this container from one that was made differently."""
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
            state, verb = "missing", "run"
        else:
            verb = "replace" if digest != self.digest else "run again"
        words = (
            *("docker", "run", "--detach", "--name", self.name, "--restart", "always"),
            *("--label", f"{LABEL}={self.digest}", *self.options, self.image, *self.command),
        )
        script = "\n".join(
            [
                "set -e",
                f"docker container rm --force {quote(self.name)} >/dev/null 2>&1 || :",
                " ".join(map(quote, words)),
                "waited=0",
                f"until ( {self.ready}\n); do",
                f'  if [ "$waited" -ge {READY_SECONDS} ]; then',
                f"    docker logs --tail 20 {quote(self.name)}",
                f"    echo 'it does not answer after {READY_SECONDS} seconds'; exit 1",
                "  fi",
                "  sleep 1; waited=$((waited + 1))",
                "done",
            ]
        )
        return Change(
            f"{verb} the container {self.name}", script, f"-{state}\n+running {self.image}"
        )
