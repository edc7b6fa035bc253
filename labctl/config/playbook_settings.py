"""The keys of lab.yaml that playbooks declare.

A playbook's folder may have a ``settings.py`` beside its ``play.py``. Its class `Settings` declares
the playbook's top-level keys of lab.yaml, and its function `check` finds what is wrong with them in
a whole lab. See `labctl.config.keys` for what it may import.

labctl's own settings are always loaded. Those of a lab's folder are Python code of a stranger, and
reading lab.yaml must not run it. Until a command loads the playbooks anyway, labctl only reads the
names of the keys from the source.
"""

from __future__ import annotations

import ast
import functools
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from labctl.config.faults import Fault
from labctl.config.model import LabSpec
from labctl.config.packaged import packaged
from labctl.config.playbook_modules import load_error, load_module, playbook_name
from labctl.config.values import Part
from labctl.errors import PlaybookError
from labctl.messages import msg
from labctl.storage import contents

FILE = "settings.py"
_CLASS = "Settings"


@dataclass(frozen=True, slots=True)
class PlaybookSettings:
    """The part of lab.yaml that one playbook declares.

    Parameters:
        playbook: name of the playbook.
        file: its settings.py.
        keys: a field for each top-level key of lab.yaml; None: it has none.
        check: returns the faults of a lab that is valid otherwise.
    """

    playbook: str
    file: Path
    keys: type[Part] | None
    check: Callable[[LabSpec], Iterable[Fault]]


def load(name: str, folders: Iterable[Path]) -> PlaybookSettings | None:
    """Load the settings of a playbook; None if it has none.

    Parameters:
        name: of the playbook.
        folders: where playbooks are, the lab's own folder before labctl's.

    Raises:
        PlaybookError: its settings.py cannot be loaded.
    """
    module = load_module(name, "settings", folders)
    if module is None:
        return None
    return PlaybookSettings(
        playbook_name(name),
        Path(str(module.__file__)),
        getattr(module, _CLASS, None),
        getattr(module, "check", lambda _: ()),
    )


@functools.cache
def of_labctl() -> dict[str, PlaybookSettings]:
    """Return the settings of labctl's own playbooks, by the playbooks' names."""
    folder = packaged("playbooks")
    names = sorted(file.parent.name for file in folder.glob(f"*/{FILE}"))
    found = (load(name, [folder]) for name in names)
    return {settings.playbook: settings for settings in found if settings is not None}


def keys_in_source(folder: Path) -> dict[str, frozenset[str]]:
    """Return the top-level keys that a lab's own playbooks declare, without running them.

    Parameters:
        folder: the lab's folder of playbooks.

    Returns:
        By name of each playbook that has a settings.py, the names of its keys.

    Raises:
        PlaybookError: a settings.py is not valid Python.
    """
    return {playbook_name(file.parent.name): _keys(file) for file in folder.glob(f"*/{FILE}")}


def _keys(file: Path) -> frozenset[str]:
    """Return the names of the annotated fields of the class `Settings` in a file."""
    try:
        tree = ast.parse(contents(file), str(file))
    except (OSError, SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise load_error(file, error) from error
    return frozenset(
        field.target.id
        for node in tree.body
        if isinstance(node, ast.ClassDef) and node.name == _CLASS
        for field in node.body
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name)
    )


def check_names(settings: Iterable[PlaybookSettings]) -> None:
    """Check that no playbook declares a key that lab.yaml has already.

    Raises:
        PlaybookError: one does.
    """
    owners: dict[str, str] = {}
    for part in settings:
        for key in part.keys.model_fields if part.keys else ():
            # A key becomes an attribute of the lab, so it must not hide one.
            if hasattr(LabSpec, key) or key in LabSpec.model_fields:
                owners[key] = "labctl"
            if key in owners:
                raise PlaybookError(
                    msg(
                        "the playbook '{playbook}' declares the key '{key}' of "
                        "lab.yaml, which {owners} has already",
                        playbook=part.playbook,
                        key=key,
                        owners=owners[key],
                    ),
                    hint=msg(
                        "give it another name in playbooks/{playbook}/{file}",
                        playbook=part.playbook,
                        file=FILE,
                    ),
                )
            owners[key] = part.playbook
