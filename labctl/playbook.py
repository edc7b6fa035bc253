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

This module re-exports what a playbook needs, so that one import serves.
"""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from labctl.errors import PlaybookError
from labctl.facts import Facts
from labctl.resources.base import Ask, Change, Observed, Resource, quote
from labctl.resources.block import Block
from labctl.resources.command import Command
from labctl.resources.container import Container
from labctl.resources.download import Download
from labctl.resources.engine_config import EngineConfig, EngineKeys
from labctl.resources.file import Absent, Directory, File, Link
from labctl.resources.folder import Carried, Folder, carried
from labctl.resources.image import ImageHanded, ImageKept, Store
from labctl.resources.login import RegistryLogin
from labctl.resources.member import Member
from labctl.resources.packages import Package, Packages
from labctl.resources.project import ComposeProject
from labctl.resources.repository import Section, SigningKey, repository_file
from labctl.resources.service import Service
from labctl.resources.swarm import NoSwarm, SwarmManager, SwarmWorker
from labctl.resources.writing import LoadedBy

if TYPE_CHECKING:
    from labctl.spec import LabSpec, Node
    from labctl.vault import Vault

__all__ = [
    "Absent",
    "Ask",
    "Block",
    "Carried",
    "Change",
    "Command",
    "ComposeProject",
    "Container",
    "Directory",
    "Download",
    "EngineConfig",
    "EngineKeys",
    "Facts",
    "File",
    "Folder",
    "ImageHanded",
    "ImageKept",
    "Link",
    "LoadedBy",
    "Member",
    "NoSwarm",
    "Observed",
    "Package",
    "Packages",
    "Play",
    "Playbook",
    "Plays",
    "Question",
    "RegistryLogin",
    "Resource",
    "Section",
    "Service",
    "SigningKey",
    "Store",
    "SwarmManager",
    "SwarmWorker",
    "carried",
    "load",
    "load_all",
    "locate",
    "quote",
    "repository_file",
]

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
        keeper: keeps the lab's secrets; plays get at it by `vault`.
    """

    lab: LabSpec
    node: Node
    facts: Facts
    user: str
    addresses: Mapping[str, str]
    choices: Mapping[str, Any] = field(default_factory=dict)
    templates: tuple[Path, ...] = ()
    playbooks: tuple[str, ...] = ()
    keeper: Vault | None = None

    @property
    def vault(self) -> Vault:
        """What keeps the lab's certificates and passwords on the instructor's machine.

        Raises:
            PlaybookError: this lab keeps none.
        """
        if self.keeper is None:
            raise PlaybookError("there is no place for secrets", node=self.node.name)
        return self.keeper

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
        from labctl import render

        return render.template(name, self.templates, values)


PlayFunction = Callable[[Play], Iterable[Resource]]


@dataclass(frozen=True, slots=True)
class Playbook:
    """A playbook that was found: its name, its folder, its function.

    Parameters:
        name: its name.
        folder: where it was found.
        play: its function.
        needs: names of playbooks that have to run before it (``NEEDS`` of its module).
        together: its checks need the other nodes, and begin when all of the run are provisioned
            (``CHECKED_TOGETHER`` of its module).
    """

    name: str
    folder: Path
    play: PlayFunction
    needs: tuple[str, ...] = ()
    together: bool = False

    @property
    def verify(self) -> Path | None:
        """The file with its checks, where it has one."""
        path = self.folder / "verify.py"
        return path if path.is_file() else None

    @property
    def rehearse(self) -> Path | None:
        """The file with exercises on what it brings, where it has one."""
        path = self.folder / "rehearse.py"
        return path if path.is_file() else None


def locate(name: str, folders: Iterable[Path]) -> Path:
    """Return the folder of the playbook `name`: the first of `folders` that has one.

    Raises:
        PlaybookError: none has; the hint lists the playbooks that there are.
    """
    known: set[str] = set()
    for folder in folders:
        if (folder / name / "play.py").is_file():
            return folder / name
        known |= {path.parent.name for path in folder.glob("*/play.py")}
    raise PlaybookError(
        f"there is no playbook '{name}'",
        hint=f"known are {', '.join(sorted(known))}; your own goes to playbooks/{name}/play.py",
    )


def load(names: Iterable[str], folders: Iterable[Path]) -> tuple[Playbook, ...]:
    """Find and load playbooks.

    Parameters:
        names: their names, in the order of work.
        folders: where to look, the lab's own folder before labctl's.

    Raises:
        PlaybookError: one is missing, does not import, or has no function `play`.
    """
    folders = list(folders)
    found: list[Playbook] = []
    for name in names:
        folder = locate(name, folders)
        module = _module(name, folder / "play.py")
        play = getattr(module, "play", None)
        if not callable(play):
            raise PlaybookError(f"{folder / 'play.py'} has no function 'play'")
        needs = tuple(getattr(module, "NEEDS", ()))
        together = bool(getattr(module, "CHECKED_TOGETHER", False))
        found.append(Playbook(name, folder, play, needs, together))
    return tuple(found)


def load_all(names: Iterable[str], folders: Iterable[Path]) -> tuple[Playbook, ...]:
    """Find and load playbooks, and before each those that it needs; otherwise as `load`.

    Raises:
        PlaybookError: as `load`; or playbooks need each other.
    """
    folders = list(folders)
    done: dict[str, Playbook] = {}

    def add(name: str, path: tuple[str, ...]) -> None:
        if name in path:
            raise PlaybookError(f"playbooks need each other: {' → '.join((*path, name))}")
        if name in done:
            return
        (book,) = load([name], folders)
        for need in book.needs:
            add(need, (*path, name))
        done[name] = book

    for name in names:
        add(name, ())
    return tuple(done.values())


def _module(name: str, path: Path) -> ModuleType:
    """Import the file as a module of its own, without touching sys.path."""
    spec = importlib.util.spec_from_file_location(f"labctl_playbook_{name}", path)
    if spec is None or spec.loader is None:
        raise PlaybookError(f"{path} cannot be loaded")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        del sys.modules[spec.name]
        raise PlaybookError(
            f"{path} cannot be loaded: {type(error).__name__}: {error}",
            hint="mend the file; `python -m py_compile` shows a syntax error with its line",
        ) from error
    return module
