"""The students of a class, and what labctl keeps about them between runs."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from labctl.config import roster
from labctl.config.roster import Row
from labctl.errors import StateError, UsageError
from labctl.messages import msg
from labctl.storage import build, read_json, write


@dataclass(frozen=True, slots=True)
class Student:
    """A student, as every command sees them.

    Parameters:
        id: short and unique in the class; it names the student on the command line.
        name: as the roster has it.
        full_name: of the roster, or empty.
        host: the existing machine of the student, or empty.
        placed: the libvirt host of the student's machines, or empty before they are placed.
        number: of the student's management network there; -1 before it is chosen.
        left: the student was removed from the roster.
    """

    id: str
    name: str
    full_name: str = ""
    host: str = ""
    placed: str = ""
    number: int = -1
    left: bool = False

    @property
    def shown(self) -> str:
        """The student for people: the id, and the name if that says more."""
        name = self.full_name or self.name
        return self.id if name == self.id else f"{self.id} ({name})"


@dataclass(frozen=True, slots=True)
class Stray:
    """Machines that may still be on a host that did not answer when their student was moved."""

    student: str
    host: str


@dataclass(slots=True)
class ClassRecord:
    """What labctl keeps about a class: ids and placement.

    Parameters:
        owner: marks the class's machines on hosts.
        students: by id, also those who left the roster.
        strays: machines to remove when their host answers again.
    """

    owner: str
    students: dict[str, Student] = field(default_factory=dict)
    strays: list[Stray] = field(default_factory=list)

    @classmethod
    def read(cls, path: Path) -> ClassRecord:
        """Return the record in a file; a new one if there is none.

        Raises:
            StateError: the file is damaged. Without it, machines would lose their students.
        """
        try:
            data = read_json(path)
            return cls(
                str(data["owner"]),
                {one["id"]: build(Student, one) for one in data["students"]},
                [build(Stray, one) for one in data["strays"]],
            )
        except FileNotFoundError:
            return cls(f"labctl-{secrets.token_hex(8)}")
        except (ValueError, KeyError, TypeError) as error:
            raise StateError(
                msg("{path} is damaged", path=path),
                hint="restore it from a backup; if the class has no machines, delete it",
            ) from error

    def write(self, path: Path) -> None:
        """Save the record."""
        data = {
            "owner": self.owner,
            "students": [asdict(student) for student in self.students.values()],
            "strays": [asdict(stray) for stray in self.strays],
        }
        write(path, json.dumps(data, indent=2, ensure_ascii=False) + "\n")

    def update(self, rows: Iterable[Row]) -> list[Student]:
        """Take the roster's rows over, and return its students in its order.

        A student who left the roster stays in the record, marked.
        """
        kept = {one.id: Row(one.name, one.full_name, one.host) for one in self.students.values()}
        current: dict[str, Student] = {}
        for student, row in roster.identified(rows, kept).items():
            known = self.students.get(student, Student(student, row.name))
            current[student] = replace(
                known, name=row.name, full_name=row.full_name, host=row.host, left=False
            )
        gone = {
            student: replace(one, left=True)
            for student, one in self.students.items()
            if student not in current
        }
        self.students = current | gone
        return list(current.values())


def read_roster(given: str) -> list[Row]:
    """Return the rows of a roster, or of a class that is given by its size.

    Raises:
        UsageError: it cannot be used.
    """
    if given.isdecimal():
        return roster.counted(int(given))
    path = Path(given)
    try:
        rows, problems = roster.read(path)
    except OSError as error:
        raise UsageError(
            msg("cannot read {path}: {reason}", path=path, reason=error.strerror)
        ) from error
    for one in problems:
        raise UsageError(
            msg("{file}, line {line}: {problem}", file=path, line=one.line, problem=one.message),
            hint=one.hint,
        )
    return rows
