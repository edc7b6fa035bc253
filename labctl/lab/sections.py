"""The sections of the course and the files of their exercises.

This module imports no exercise. Worker processes do.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from labctl.config.nearest import suggestion
from labctl.errors import UsageError
from labctl.messages import msg
from labctl.storage import contents

if TYPE_CHECKING:
    from labctl.lab.lab import Lab

ORDER = (
    "engine",
    "images",
    "containers",
    "dockerfile",
    "volumes",
    "compose",
    "repairs",
    "network",
)
"""labctl's own sections in the order of the course, except that network comes last, because it can
damage an engine (see `labctl.lab.rehearsal_repair`). Other sections follow."""


@dataclass(frozen=True, slots=True)
class Section:
    """A section of the course.

    Parameters:
        name: as on the command line.
        files: pytest files with its exercises.
    """

    name: str
    files: tuple[Path, ...]


def discover(lab: Lab, extra: Iterable[str] = ()) -> tuple[Section, ...]:
    """Return the sections of a lab, in the order of the course.

    A file ``course/NAME.py`` is a section. The lab's own replaces labctl's section of the same
    name. The ``rehearse.py`` of a playbook that the lab runs belongs to the section of its name.

    Parameters:
        lab: the lab.
        extra: names of playbooks in addition to those of lab.yaml.

    Raises:
        PlaybookError: a playbook does not exist or cannot be loaded.
    """
    files: dict[str, list[Path]] = {}
    for folder in reversed(lab.workspace.course):
        files |= {path.stem: [path] for path in sorted(folder.glob("*.py")) if _holds(path)}
    for book in lab.playbooks(extra):
        if book.rehearse is not None:
            files.setdefault(book.name, []).append(book.rehearse)
    return tuple(Section(name, tuple(files[name])) for name in sorted(files, key=_place))


@dataclass(frozen=True, slots=True)
class Exercises:
    """What a section holds, read from its files without running them.

    Parameters:
        about: the first line of the first file's docstring.
        names: the names of its test functions.
    """

    about: str
    names: tuple[str, ...]


def exercises(section: Section) -> Exercises:
    """Return what a section holds; a file that is not valid Python holds nothing."""
    about, names = "", []
    for file in section.files:
        try:
            tree = ast.parse(contents(file), str(file))
        except (OSError, SyntaxError, ValueError):
            continue
        about = about or (ast.get_docstring(tree) or "").partition("\n")[0]
        names += [
            node.name
            for node in tree.body
            if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
        ]
    return Exercises(about, tuple(names))


def choose(sections: Sequence[Section], names: Iterable[str]) -> tuple[Section, ...]:
    """Return the sections named in `names`, or all if it is empty, in the order of the course.

    Raises:
        UsageError: a section does not exist; the hint lists the existing ones.
    """
    wanted = tuple(names)
    known = [section.name for section in sections]
    unknown = sorted({name for name in wanted if name not in known})
    if unknown:
        raise UsageError(
            msg("unknown section {unknown}", unknown=", ".join(repr(name) for name in unknown)),
            hint=suggestion(
                unknown[0],
                known,
                msg(
                    "available: {known}; write your own as course/NAME.py beside lab.yaml",
                    known=", ".join(known),
                ),
            )
            if known
            else "write your first one as course/NAME.py beside lab.yaml",
        )
    return tuple(section for section in sections if not wanted or section.name in wanted)


def shared(lab: Lab) -> tuple[Path, ...]:
    """Return the conftest.py files of the course: labctl's, then the lab's own, which wins."""
    found = (folder / "conftest.py" for folder in reversed(lab.workspace.course))
    return tuple(path for path in found if path.is_file())


def _holds(path: Path) -> bool:
    """Return True if a file has exercises. Names of helper modules start with an underscore."""
    return path.is_file() and path.name != "conftest.py" and not path.name.startswith(("_", "."))


def _place(name: str) -> tuple[int, str]:
    return ORDER.index(name) if name in ORDER else len(ORDER), name
