"""The students of a class: a roster as a school exports it, and a short unique id for each.

A student's id names folders, virtual machines and networks, so it consists of lower-case letters,
digits and '-'. It is made of the student's name where the name has such letters. This module
imports no third-party library.
"""

from __future__ import annotations

import csv
import io
import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from labctl.config import patterns
from labctl.messages import msg

MOST_STUDENTS = 200
"""Students of a class: each libvirt host has 256 management networks, and a room fewer seats."""

LONGEST_ID = 20
"""Characters of an id: it is a part of host names, which have 63."""

_LONGEST_NAME = 80
_MOST_BYTES = 1 << 20
_COLUMNS = 3
_FORMULA = ("=", "+", "-", "@")
"""A spreadsheet runs a cell that begins with one of these."""

_HEADS = frozenset(
    {"name", "names", "student", "students", "student name", "login", "account", "id", "user"}
    | {"姓名", "名字", "名称", "学生", "学生姓名", "学号", "账号", "用户名"}
)
"""First cells, in lower case, of a line that names the columns."""


@dataclass(frozen=True, slots=True)
class Row:
    """A line of a roster.

    Parameters:
        name: the student's name, as it stands there.
        full_name: the second column, or empty.
        host: an existing machine of this student, or empty.
        line: its line in the file, from 1.
    """

    name: str
    full_name: str = ""
    host: str = ""
    line: int = 0


@dataclass(frozen=True, slots=True)
class RosterProblem:
    """What is wrong with a line of a roster, and what to do about it."""

    line: int
    message: str
    hint: str = ""


def counted(number: int) -> list[Row]:
    """Return the rows of a class that is given by its size: s01, s02 and so on."""
    digits = max(2, len(str(number)))
    return [Row(f"s{index:0{digits}}") for index in range(1, number + 1)]


def read(path: Path) -> tuple[list[Row], list[RosterProblem]]:
    """Return the rows of a roster and all of its problems.

    Raises:
        OSError: the file cannot be read.
    """
    with path.open("rb") as file:
        return parse(file.read(_MOST_BYTES + 1))


def parse(data: bytes) -> tuple[list[Row], list[RosterProblem]]:
    """Return the rows of a roster's bytes and all of its problems, in the order of the lines."""
    if len(data) > _MOST_BYTES:
        return [], [RosterProblem(1, msg("the file is larger than 1 MB"))]
    try:
        # Excel's "Unicode text" is UTF-16.
        text = data.decode("utf-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        hint = msg("save it as UTF-8; Excel names that format 'CSV UTF-8'")
        return [], [RosterProblem(line, msg("the file is not UTF-8"), hint)]
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    rows: list[Row] = []
    problems: list[RosterProblem] = []
    reader = csv.reader(io.StringIO(text), delimiter=_delimiter(text), skipinitialspace=True)
    first = True
    try:
        for cells in reader:
            row = [unicodedata.normalize("NFC", cell).strip() for cell in cells]
            if not any(row) or row[0].startswith("#"):
                continue
            if first and row[0].casefold() in _HEADS:
                first = False
                continue
            first = False
            found = [*_problems(row, reader.line_num)]
            problems += found
            if not found:
                name, full_name, host = (*row[:_COLUMNS], "", "")[:_COLUMNS]
                rows.append(Row(name, full_name, host, reader.line_num))
    except csv.Error as error:
        problems.append(RosterProblem(reader.line_num, msg("invalid CSV: {error}", error=error)))
    problems += _of_all(rows)
    if not rows and not problems:
        problems.append(RosterProblem(1, msg("the roster has no students")))
    return rows, sorted(problems, key=lambda problem: problem.line)


def _delimiter(text: str) -> str:
    """Return the character between the columns: the most frequent one of the first used line."""
    lines = (line for line in text.split("\n") if line.strip() and not line.startswith("#"))
    line = next(lines, "")
    return max(",;\t", key=line.count)


def _problems(row: list[str], line: int) -> Iterable[RosterProblem]:
    """Yield what is wrong with the cells of a line."""
    if any(row[_COLUMNS:]):
        hint = msg("a line is: name, full name, host; the last two may be left out")
        yield RosterProblem(line, msg("{count} columns", count=len(row)), hint)
        return
    if not row[0]:
        yield RosterProblem(line, msg("the name is missing"))
    for cell in row[:_COLUMNS]:
        shown = patterns.shown(cell)
        if len(cell) > _LONGEST_NAME:
            message = msg("{text} has more than {most} characters", text=shown, most=_LONGEST_NAME)
            yield RosterProblem(line, message)
        elif cell.startswith(_FORMULA):
            hint = msg("remove the first character")
            yield RosterProblem(line, msg("{text} is a spreadsheet formula", text=shown), hint)
        elif not cell.isprintable():
            yield RosterProblem(line, msg("{text} has a control character", text=shown))
    host = row[2] if len(row) > 2 else ""
    if host and host.isprintable() and (problem := patterns.HOST.problem(host)):
        yield RosterProblem(line, msg("host: {problem}", problem=problem))


def _of_all(rows: list[Row]) -> Iterable[RosterProblem]:
    """Yield what is wrong with the rows beside each other."""
    if len(rows) > MOST_STUDENTS:
        message = msg("a class has at most {most} students", most=MOST_STUDENTS)
        yield RosterProblem(rows[MOST_STUDENTS].line, message)
    lines: dict[tuple[str, str, str], int] = {}
    hosts: dict[str, int] = {}
    for row in rows:
        key = (row.name, row.full_name, row.host)
        if (before := lines.setdefault(key, row.line)) != row.line:
            hint = msg("remove it, or tell the two students apart by their full names")
            yield RosterProblem(row.line, msg("repeats line {line}", line=before), hint)
        elif row.host and (before := hosts.setdefault(row.host, row.line)) != row.line:
            message = msg("{host} is already the host of line {line}", host=row.host, line=before)
            yield RosterProblem(row.line, message)
    with_host = [row for row in rows if row.host]
    if with_host and len(with_host) < len(rows):
        row = next(row for row in rows if not row.host)
        hint = msg("give every student a host, or none")
        yield RosterProblem(row.line, msg("{name} has no host", name=row.name), hint)


def identified(rows: Iterable[Row], kept: Mapping[str, Row]) -> dict[str, Row]:
    """Return the rows by the students' ids, in the roster's order.

    Parameters:
        rows: of the roster.
        kept: the ids of earlier runs. A student keeps their id, and nobody else gets it, even if
            that student left the roster: their machines may still exist.
    """
    rows = list(rows)
    known = {(row.name, row.full_name): student for student, row in kept.items()}
    taken = set(kept)
    chosen: dict[str, Row] = {}
    for row in rows:
        student = known.get((row.name, row.full_name), "")
        if not student or student in chosen:
            student = _free(row, taken)
            taken.add(student)
        chosen[student] = row
    return chosen


def _free(row: Row, taken: set[str]) -> str:
    """Return an id for a student that nobody has."""
    stem = short(row.name) or short(row.full_name)
    if not stem:  # a name in letters that have no plain form
        return next(name for n in range(1, 10_000) if (name := f"s{n:02}") not in taken)
    names = (stem, *(f"{stem[: LONGEST_ID - 5]}-{n}" for n in range(2, 10_000)))
    return next(name for name in names if name not in taken)


def short(name: str) -> str:
    """Return a name as an id: plain lower-case letters, digits and '-'; empty if it has none.

    A name of which more than half would be lost has none either.
    """
    plain = unicodedata.normalize("NFKD", name.replace("ß", "ss").replace("ø", "o"))
    letters = [c for c in plain if not unicodedata.combining(c)]
    kept = "".join(letters).encode("ascii", "ignore").decode()
    if len(kept.replace(" ", "")) * 2 <= len([c for c in letters if c.isalnum()]):
        return ""
    text = re.sub(r"[^a-z0-9]+", "-", kept.lower()).strip("-")[:LONGEST_ID].rstrip("-")
    if text and not text[0].isalpha():
        text = f"s-{text}"[:LONGEST_ID].rstrip("-")
    return "" if text in ("", "all") else text
