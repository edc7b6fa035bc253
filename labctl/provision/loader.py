"""Find and load playbooks."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from labctl.config import playbook_settings
from labctl.config.playbook_modules import find_file, load_module, playbook_name
from labctl.config.playbook_settings import PlaybookSettings
from labctl.errors import PlaybookError
from labctl.messages import msg
from labctl.provision.play import AfterRehearsal, DaemonFunction, PlayFunction, PreflightFunction

if TYPE_CHECKING:
    from labctl.config.model import LabSpec
    from labctl.provision.secret_store import SecretStore


@dataclass(frozen=True, slots=True)
class Playbook:
    """A playbook, with what its play.py offers; see `labctl.provision.play`.

    Parameters:
        name: its name.
        folder: the folder with its play.py.
        play: its function `play`.
        needs: names of playbooks that must run before it (``NEEDS``).
        together: its checks begin when all nodes are provisioned (``CHECKED_TOGETHER``).
        settings: its part of lab.yaml; None if it has none.
        expected: returns plain values for its checks, from the lab and its secrets.
        daemon_json: returns the keys that it adds to daemon.json.
        after_rehearsal: returns its repair of the nodes after a rehearsal.
        preflight: returns its checks before the first change.
        pulled_images: returns names of images that nodes pull because of it.
    """

    name: str
    folder: Path
    play: PlayFunction
    needs: tuple[str, ...] = ()
    together: bool = False
    settings: PlaybookSettings | None = None
    expected: Callable[[LabSpec, SecretStore], Any] | None = None
    daemon_json: DaemonFunction | None = None
    after_rehearsal: Callable[[LabSpec], AfterRehearsal | None] | None = None
    preflight: PreflightFunction | None = None
    pulled_images: Callable[[LabSpec], Iterable[str]] | None = None

    @property
    def verify(self) -> Path | None:
        """The file with its checks; None if it has none."""
        path = self.folder / "verify.py"
        return path if path.is_file() else None

    @property
    def rehearse(self) -> Path | None:
        """The file with its exercises; None if it has none."""
        path = self.folder / "rehearse.py"
        return path if path.is_file() else None


def locate(name: str, folders: Iterable[Path]) -> Path:
    """Return the folder of the playbook `name`: the first of `folders` that has one.

    Raises:
        PlaybookError: none has; the hint lists the known playbooks.
    """
    folders = list(folders)
    file = find_file(name, "play.py", folders)
    if file is not None:
        return file.parent
    known = {
        playbook_name(path.parent.name) for folder in folders for path in folder.glob("*/play.py")
    }
    raise PlaybookError(
        msg("unknown playbook '{name}'", name=name),
        hint=msg(
            "available: {known}; write your own in playbooks/{name}/play.py",
            known=", ".join(sorted(known)),
            name=name,
        ),
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
    for name in map(playbook_name, names):
        folder = locate(name, folders)
        settings = playbook_settings.load(name, folders)
        module = load_module(name, "play", folders)
        play = getattr(module, "play", None)
        if not callable(play):
            raise PlaybookError(msg("{folder} has no function 'play'", folder=folder / "play.py"))
        found.append(
            Playbook(
                name,
                folder,
                play,
                tuple(map(playbook_name, getattr(module, "NEEDS", ()))),
                bool(getattr(module, "CHECKED_TOGETHER", False)),
                settings,
                getattr(module, "expected", None),
                getattr(module, "daemon_json", None),
                getattr(module, "after_rehearsal", None),
                getattr(module, "preflight", None),
                getattr(module, "pulled_images", None),
            )
        )
    return tuple(found)


def load_all(names: Iterable[str], folders: Iterable[Path]) -> tuple[Playbook, ...]:
    """Find and load playbooks, each after the playbooks that it needs; otherwise as `load`.

    Raises:
        PlaybookError: as `load`; or playbooks need each other.
    """
    folders = list(folders)
    done: dict[str, Playbook] = {}

    def add(name: str, path: tuple[str, ...]) -> None:
        if name in path:
            raise PlaybookError(
                msg("playbooks need each other: {playbooks}", playbooks=" → ".join((*path, name)))
            )
        if name in done:
            return
        (book,) = load([name], folders)
        for need in book.needs:
            add(need, (*path, name))
        done[name] = book

    for name in map(playbook_name, names):
        add(name, ())
    return tuple(done.values())
