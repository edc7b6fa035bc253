"""Playbooks: what a node should be, as plain Python.

A playbook is a folder ``playbooks/NAME`` with a ``play.py`` whose function ``play`` yields
resources, and a ``verify.py`` with testinfra checks of what came of it::

    from labctl.playbook import File, Package, Packages, Play, Plays

    def play(play: Play) -> Plays:
        yield Packages((Package("chrony"),))
        yield File("/etc/motd", f"This is {play.node.name}.\\n")

The order of the yields is the order of the work. A play reads nothing but its argument, so planning
is free and repeatable. What only a measurement on the node can tell (which mirror lives) is asked
with `Play.choose`: it is measured once, kept in the lab's state, and from then on it is a value
like any other. A play that asks is run again once the answer is there; what it yielded before the
question is converged first.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from labctl.errors import PlaybookError
from labctl.provision.facts import Facts
from labctl.provision.resources.base import Observed, Resource

if TYPE_CHECKING:
    from labctl.config.model import LabSpec
    from labctl.config.node import Node
    from labctl.provision.secret_store import SecretStore

Plays = Iterator[Resource]
"""What a playbook's function `play` returns."""


@dataclass(frozen=True, slots=True)
class Question:
    """Something to be measured on a node, and how the answer is read from what was seen.

    Parameters:
        key: name under which the answer is kept, unique in the lab: ``mirrors.live``.
        script: POSIX sh, run as root, that only looks.
        decide: turns what was seen into the answer; the answer must be expressible as JSON.
    """

    key: str
    script: str
    decide: Callable[[Observed], Any]


class Undecided(Exception):
    """Raised by `Play.choose` where the answer is not known yet."""

    def __init__(self, question: Question) -> None:
        super().__init__(question.key)
        self.question = question


@dataclass(frozen=True, slots=True)
class Play:
    """All that a playbook may build on.

    Parameters:
        lab: the lab's specification.
        node: this node: `name`, `address`, `memory` in MiB, `cpus`.
        facts: the distribution and architecture of this node.
        user: the login user of this node.
        addresses: the lab's nodes by name, with their addresses; nodes without one are left out.
        choices: answers that were measured already, by key.
        templates: folders of templates, the lab's own before labctl's.
        playbooks: names of all playbooks that the lab runs, those of `--with` included.
        keeper: keeps the lab's secrets; plays read it as `secret_store`.
    """

    lab: LabSpec
    node: Node
    facts: Facts
    user: str
    addresses: Mapping[str, str]
    choices: Mapping[str, Any] = field(default_factory=dict)
    templates: tuple[Path, ...] = ()
    playbooks: tuple[str, ...] = ()
    secrets: SecretStore | None = None

    @property
    def secret_store(self) -> SecretStore:
        """What keeps the lab's certificates and passwords on the instructor's machine.

        Raises:
            PlaybookError: this lab keeps none.
        """
        if self.secrets is None:
            raise PlaybookError("there is no place for secrets", node=self.node.name)
        return self.secrets

    def known(self, key: str) -> Any:
        """Return the answer to a question of an earlier playbook; None where there is none."""
        stored = self.choices.get(key)
        return stored["answer"] if isinstance(stored, dict) else None

    def choose(self, key: str, script: str, decide: Callable[[Observed], Any]) -> Any:
        """Return the answer to a question that only the node can answer.

        It is measured when it is first asked, and again after `labctl provision --refresh`, after
        the node was made anew, and after the question itself (its script) changed.

        Parameters:
            key: name of the answer, unique in the lab.
            script: POSIX sh, run as root, that only looks.
            decide: turns what was seen into the answer, which must be expressible as JSON.

        Returns:
            The stored answer.
        """
        stored = self.choices.get(key)
        if isinstance(stored, dict) and stored.get("script") == script:
            return stored["answer"]
        raise Undecided(Question(key, script, decide))

    def render(self, name: str, **values: object) -> str:
        """Return what the template `name` makes of `values`.

        Raises:
            UsageError: the template is missing or wrong, with its file and line.
        """
        from labctl import templating

        return templating.template(name, self.templates, values)


PlayFunction = Callable[[Play], Iterable[Resource]]
