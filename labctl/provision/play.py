"""Playbooks: the wanted state of a node, as plain Python.

A playbook is a folder ``playbooks/NAME``. The function ``play`` of its ``play.py`` yields
resources, and ``verify.py`` has testinfra checks of the result::

    from labctl.playbook import File, Package, Packages, Play, Plays

    def play(play: Play) -> Plays:
        yield Packages((Package("chrony"),))
        yield File("/etc/motd", f"This is {play.node.name}.\\n")

The order of the yields is the order of the work. A play reads only its argument, so planning
is free and repeatable. For a value that only the node can provide (which mirror answers), a play
calls `Play.choose`: labctl measures it once, keeps it in the lab's state, and runs the play again.
The resources before the call are applied before the measurement.

A folder may hold more: modules (``from .place import …``, and ``from ..registry.access import …``
of another playbook), shell scripts (`shell_script`), and ``settings.py`` with keys of lab.yaml (see
`labctl.config.keys`). These names in ``play.py`` are optional:

- ``NEEDS``: names of playbooks that run before this one and come with it.
- ``CHECKED_TOGETHER = True``: its checks begin when all nodes of the run are provisioned.
- ``expected(lab, secrets)`` returns values that the checks compare with, ``wanted["name"]`` there.
  If it returns None, the checks do not run.
- ``daemon_json(play)`` returns keys to add to daemon.json; see `Play.daemon_json`.
- ``after_rehearsal(lab)`` returns a repair of the nodes; see `AfterRehearsal`.
- ``preflight(play)`` yields checks before the first change; see
  `labctl.provision.preflight`.
- ``pulled_images(lab)`` returns names of images that nodes pull and that no resource names, such
  as those in a docker-compose.yml. They become part of a kit.

``verify.py`` and ``rehearse.py`` list the images that their tests pull as ``IMAGES``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from labctl.errors import PlaybookError
from labctl.messages import msg
from labctl.provision.facts import Facts
from labctl.provision.preflight import Preflight
from labctl.provision.resources.base import Observed, Resource

if TYPE_CHECKING:
    from labctl.config.model import LabSpec
    from labctl.config.node import Node
    from labctl.config.proxy import ProxySettings
    from labctl.provision.secret_store import SecretStore

Plays = Iterator[Resource]
"""The result of a playbook's function `play`."""


@dataclass(frozen=True, slots=True)
class Question:
    """A measurement on a node, and how its output becomes the answer.

    Parameters:
        key: name of the answer, unique in the lab: ``mirrors.live``.
        script: POSIX sh, run as root, that changes nothing.
        decide: returns the answer, which must be expressible as JSON, from the script's output.
    """

    key: str
    script: str
    decide: Callable[[Observed], Any]


class Undecided(Exception):
    """Raised by `Play.choose` if there is no answer yet."""

    def __init__(self, question: Question) -> None:
        super().__init__(question.key)
        self.question = question


@dataclass(frozen=True, slots=True)
class Play:
    """The argument of a play: all that it may use.

    Parameters:
        lab: the lab's specification.
        node: this node: `name`, `address`, `memory` in MiB, `cpus`.
        facts: the distribution and architecture of this node.
        user: the login user of this node.
        addresses: the lab's nodes by name, with their addresses; nodes without one are left out.
        choices: answers so far, by key.
        templates: folders of templates, the lab's own before labctl's.
        playbooks: names of all playbooks that the lab runs, including those of `--with`.
        secrets: the lab's secrets; plays use `secret_store`.
        proxy: the proxies of the lab, with their passwords; None: there are none.
        daemon_functions: the functions `daemon_json` of those playbooks.
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
    proxy: ProxySettings | None = None
    daemon_functions: tuple[DaemonFunction, ...] = ()

    @property
    def secret_store(self) -> SecretStore:
        """The lab's certificates and passwords, which are on the instructor's computer.

        Raises:
            PlaybookError: this run has no store of secrets.
        """
        if self.secrets is None:
            raise PlaybookError("this run has no store for secrets", node=self.node.name)
        return self.secrets

    @property
    def repositories(self) -> tuple[str, ...]:
        """What `Packages` of labctl's playbooks install from: labctl's own repositories alone.

        Empty, so all that are enabled, if the lab does not run the playbook `repos`.
        """
        return ("labctl-*",) if "repos" in self.playbooks else ()

    def known(self, key: str) -> Any:
        """Return the answer to a question of an earlier playbook; None if there is none."""
        stored = self.choices.get(key)
        return stored["answer"] if isinstance(stored, dict) else None

    def choose(self, key: str, script: str, decide: Callable[[Observed], Any]) -> Any:
        """Return the answer to a question that only the node can answer.

        It is measured once, and again with `labctl provision --refresh`, after the node was
        recreated, and after the script changed.

        Parameters:
            key: name of the answer, unique in the lab.
            script: POSIX sh, run as root, that changes nothing.
            decide: returns the answer, which must be expressible as JSON, from the output.

        Returns:
            The stored answer.
        """
        stored = self.choices.get(key)
        if isinstance(stored, dict) and stored.get("script") == script:
            return stored["answer"]
        raise Undecided(Question(key, script, decide))

    def daemon_json(self) -> dict[str, Any]:
        """Return the keys that the lab's playbooks add to daemon.json on this node.

        They come from the functions ``daemon_json`` of the playbooks. Lists are joined in the order
        of the playbooks.

        Raises:
            PlaybookError: two playbooks give different values for a key.
        """
        found: dict[str, Any] = {}
        for function in self.daemon_functions:
            for key, value in function(self).items():
                if isinstance(value, list) and isinstance(found.get(key), list):
                    found[key] = [*found[key], *value]
                elif found.setdefault(key, value) != value:
                    raise PlaybookError(
                        msg("two playbooks set {key} in daemon.json differently", key=key),
                        hint=msg("remove one of the two playbooks"),
                        node=self.node.name,
                    )
        return found

    def render(self, name: str, **values: object) -> str:
        """Return the text of the template `name` with `values`.

        Raises:
            UsageError: the template is missing or wrong, with its file and line.
        """
        from labctl import templating

        return templating.template(name, self.templates, values)


PlayFunction = Callable[[Play], Iterable[Resource]]
DaemonFunction = Callable[[Play], Mapping[str, Any]]
"""A playbook's function `daemon_json`: returns the keys that it adds to daemon.json."""
PreflightFunction = Callable[[Play], Iterable[Preflight]]
"""A playbook's function `preflight`: returns its checks before the first change."""


@dataclass(frozen=True, slots=True)
class RepairNotice:
    """A message for people, emitted if the script of an `AfterRehearsal` prints `word`."""

    word: str
    message: str


@dataclass(frozen=True, slots=True)
class AfterRehearsal:
    """The result of a playbook's function `after_rehearsal`: a repair of every node.

    Parameters:
        script: POSIX sh, run as root on every provisioned node after a rehearsal. The last line
            that it prints may choose a notice.
        notices: what the script may report.
        hint: what to do if the user interrupts the repair.
    """

    script: str
    notices: tuple[RepairNotice, ...] = ()
    hint: str = ""
