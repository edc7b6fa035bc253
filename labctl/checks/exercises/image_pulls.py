"""Pulling images on a node while overlay networks come and go there.

Exercises on overlay networks, those of another node too, put engines with a store out of step, so
that they look for a registry where there is none (moby#39372). So these exercises come last, and
wait until the node beside theirs has nothing more to pull; what is pulled all the same is tried a
few times. Rehearsals tell each other by a file in the folder where each says that it is at work.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import PurePosixPath
from typing import Any

LONGEST_WAIT = 600
"""Looks, a second apart and on a slow node more. Far less than the time that a command of an
exercise has, at which it would be an error and not the end of the wait."""

_TRIES = 6
"""How often what an engine out of step refuses is tried; each of its threads may be another's."""

_ASTRAY = ("network is unreachable", "no such host")


def astray(said: str) -> bool:
    """Tell whether an engine that said this was put out of step."""
    return any(words in said for words in _ASTRAY)


class ImagePulls:
    """The pulls on one node.

    Parameters:
        run: runs a command line there, as `labctl.checks.exercises.sandbox.Sandbox.run` does.
        node: the node's name.
        place: the folder there in which every rehearsal at work has one named by its token.
    """

    def __init__(self, run: Callable[..., Any], node: str, place: PurePosixPath) -> None:
        self._run = run
        self._node = node
        self._place = place

    def pull(self, name: str) -> None:
        """Pull an image, whether it is there or not.

        Raises:
            AssertionError: it could not be pulled.
        """
        for _ in range(_TRIES):
            result = self._run("docker pull --quiet %s", name, ok=False)
            if result.rc == 0:
                return
            if not astray(result.stderr):
                self._run("docker pull --quiet %s", name)
                return
        raise AssertionError(
            f"{name} cannot be pulled on {self._node}. If the node itself reaches its registry, an"
            " overlay network left the engine astray (moby#39372), and `sudo systemctl restart"
            f" docker` helps. The engine said: {last_words(result)}"
        )

    def announce(self, token: str, still: bool) -> None:
        """Say on the node whether a rehearsal has exercises to come that pull images there."""
        self._run("touch %s" if still else "rm -f %s", self._note(token))

    def await_end(self, token: str) -> None:
        """Wait until a rehearsal has no more to pull on the node.

        For ten minutes or so at most: one that was cut off says nothing any more.

        Parameters:
            token: the one of that rehearsal; where it is not at work on the node, that is at once.
        """
        again = f"for i in $(seq {LONGEST_WAIT}); do [ -e %s ] || exit 0; sleep 1; done"
        self._run(again, self._note(token), ok=False)

    def _note(self, token: str) -> PurePosixPath:
        return self._place / token / "pulling"


def last_words(result: Any) -> str:
    """Return the end of what a command said, of stderr if there is any."""
    return str(result.stderr.strip() or result.stdout.strip() or "nothing")[-600:]
