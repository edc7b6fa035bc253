"""Which sections of the course there are, and in which files their exercises stand.

No exercise is imported here: it is loaded where it runs.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from labctl.errors import UsageError

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
"""The course's own sections, in the order of the course but for networks, after which an engine may
be out of step (see `labctl.lab.overlay_repair`); others come after them."""


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
    """Return the sections that can be rehearsed on a lab, in the order of the course.

    A file ``course/NAME.py`` is a section; the lab's own stands in for labctl's of the same name.
    ``rehearse.py`` of a playbook that the lab runs is, or adds to, the section of its name.

    Parameters:
        lab: the lab.
        extra: names of playbooks that it runs besides those of lab.yaml.

    Raises:
        PlaybookError: the lab runs a playbook that there is not, or that cannot be loaded.
    """
    files: dict[str, list[Path]] = {}
    for folder in reversed(lab.workspace.course):
        files |= {path.stem: [path] for path in sorted(folder.glob("*.py")) if _holds(path)}
    for book in lab.playbooks(extra):
        if book.rehearse is not None:
            files.setdefault(book.name, []).append(book.rehearse)
    return tuple(Section(name, tuple(files[name])) for name in sorted(files, key=_place))


def choose(sections: Sequence[Section], names: Iterable[str]) -> tuple[Section, ...]:
    """Return the sections called `names`, in the order of the course; all if it names none.

    Raises:
        UsageError: there is no such section; the hint lists those that there are.
    """
    wanted = tuple(names)
    known = [section.name for section in sections]
    unknown = sorted({name for name in wanted if name not in known})
    if unknown:
        raise UsageError(
            f"there is no section {', '.join(repr(name) for name in unknown)}",
            hint=f"there are {', '.join(known)}; your own goes to course/NAME.py beside lab.yaml"
            if known
            else "write the first: course/NAME.py beside lab.yaml",
        )
    return tuple(section for section in sections if not wanted or section.name in wanted)


def shared(lab: Lab) -> tuple[Path, ...]:
    """Return the conftest.py files of the course: labctl's, then the lab's own, which wins."""
    found = (folder / "conftest.py" for folder in reversed(lab.workspace.course))
    return tuple(path for path in found if path.is_file())


def _holds(path: Path) -> bool:
    """Whether a file holds exercises; what begins with an underscore is for them to import."""
    return path.is_file() and path.name != "conftest.py" and not path.name.startswith(("_", "."))


def _place(name: str) -> tuple[int, str]:
    return ORDER.index(name) if name in ORDER else len(ORDER), name
