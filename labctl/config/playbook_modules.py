"""Load the Python files of a playbook's folder.

A playbook's folder is loaded as a package without being on `sys.path`: ``from .settings import …``
works in its files, and so does ``from ..registry.settings import …`` for another playbook. A lab's
own folder comes before labctl's, file by file.
"""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterable, Iterator
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType

from labctl.config.packaged import packaged
from labctl.errors import PlaybookError
from labctl.messages import msg

_PACKAGE = "labctl_playbooks"


def playbook_name(text: str) -> str:
    """Return the name of a playbook as labctl shows it; '_' and '-' are equivalent."""
    return text.replace("_", "-")


def package_name(name: str) -> str:
    """Return a playbook's name as Python writes it, as in lab.yaml's keys: ``compose_app``."""
    return name.replace("-", "_")


def folders_of(name: str, folders: Iterable[Path]) -> Iterator[Path]:
    """Yield the folders of a playbook in `folders`, its name written in either way."""
    for folder in folders:
        for written in dict.fromkeys((name, playbook_name(name), package_name(name))):
            if (folder / written).is_dir():
                yield folder / written


def load_module(name: str, module: str, folders: Iterable[Path]) -> ModuleType | None:
    """Return a module of a playbook; None if no folder of the playbook has such a file.

    A file runs once: a second call returns the same module.

    Parameters:
        name: of the playbook.
        module: the file's name without ``.py``: ``play``, ``settings``.
        folders: where playbooks are; the first one that has the file wins.

    Raises:
        PlaybookError: the file cannot be imported.
    """
    folders = list(folders)
    file = find_file(name, f"{module}.py", folders)
    if file is None:
        return None
    _register_all(folders)
    _register(f"{_PACKAGE}.{package_name(name)}", list(folders_of(name, folders)))
    full = f"{_PACKAGE}.{package_name(name)}.{module}"
    loaded = sys.modules.get(full)
    return loaded if loaded is not None and loaded.__file__ == str(file) else _run(full, file)


def find_file(name: str, file: str, folders: Iterable[Path]) -> Path | None:
    """Return the file of a playbook: that of the first folder which has one, else None."""
    return _first(folders_of(name, folders), file)


def available(folders: Iterable[Path]) -> list[str]:
    """Return the names of all playbooks in folders of playbooks, sorted."""
    return sorted(
        {playbook_name(path.parent.name) for folder in folders for path in folder.glob("*/play.py")}
    )


def load_error(file: Path, error: Exception) -> PlaybookError:
    """Return the error for a file of a playbook that Python cannot load."""
    return PlaybookError(
        msg(
            "{path} cannot be loaded: {kind}: {error}",
            path=file,
            kind=type(error).__name__,
            error=error,
        ),
        hint="fix the file; `python -m py_compile` shows a syntax error with its line",
    )


def _run(full: str, file: Path) -> ModuleType:
    """Run `file` as the module `full`."""
    spec = importlib.util.spec_from_file_location(full, file)
    if spec is None or spec.loader is None:
        raise PlaybookError(msg("{path} cannot be loaded", path=file))
    module = importlib.util.module_from_spec(spec)
    sys.modules[full] = module
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        del sys.modules[full]
        raise load_error(file, error) from error
    return module


def _register_all(folders: list[Path]) -> None:
    """Register labctl's playbooks as a package, and each of the lab's own below it.

    The lab's own come first, so that a playbook that imports from another one gets the lab's.
    """
    ours = packaged("playbooks")
    _register(_PACKAGE, [ours])
    own = (place for folder in folders if folder != ours for place in _playbooks_in(folder))
    for name in {package_name(place.name) for place in own}:
        _register(f"{_PACKAGE}.{name}", list(folders_of(name, folders)))


def _playbooks_in(folder: Path) -> list[Path]:
    return [path.parent for path in folder.glob("*/*.py")]


def _register(full: str, places: list[Path]) -> None:
    """Register the folders `places` as the package `full`.

    A module that is loaded already stays if its file is still the one to load.
    """
    path = [str(place) for place in places]
    present = sys.modules.get(full)
    if present is not None and list(present.__path__) == path:
        return
    spec = ModuleSpec(full, None, is_package=True)
    spec.submodule_search_locations = path
    package = sys.modules[full] = importlib.util.module_from_spec(spec)
    for name, module in list(sys.modules.items()):
        parent, _, last = name.rpartition(".")
        if parent == full:
            file = _first(places, f"{last}.py")
            if file is not None and str(file) == getattr(module, "__file__", None):
                setattr(package, last, module)
            else:
                del sys.modules[name]


def _first(places: Iterable[Path], file: str) -> Path | None:
    return next((place / file for place in places if (place / file).is_file()), None)
