"""Find and load playbooks."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from labctl.errors import PlaybookError

if TYPE_CHECKING:
    pass
from labctl.provision.play import PlayFunction


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
