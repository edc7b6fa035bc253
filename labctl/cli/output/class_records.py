"""What ``--json`` prints about a class and a kit, as types; see `labctl.cli.output.records`."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class Record(BaseModel):
    """A line, or a part of one. It has no other fields."""

    model_config = ConfigDict(extra="forbid")


class PlacedLine(Record):
    """Where a student's lab is, or will be."""

    event: Literal["placed"]
    student: str
    name: str
    host: str
    kept: bool = Field(description="False: it is a proposal of this plan.")
    missing: str = Field(description="Why the student has no place; empty if they have one.")


class HostLine(Record):
    """A host of a class."""

    event: Literal["host"]
    host: str
    students: int
    memory_asked: int = Field(description="MiB.")
    memory: int | None
    disk_asked: int = Field(description="MiB.")
    disk: int | None
    emulated: bool
    problem: str


class PlanLine(Record):
    """The sum of `plan`."""

    event: Literal["plan"]
    ok: bool
    short: list[str] = Field(description="Hosts that are too small.")


class MovedLine(Record):
    """A student's lab that has another host now."""

    event: Literal["moved"]
    student: str
    host: str


class StudentLine(BaseModel):
    """A student, with the result of the command."""

    event: Literal["student"]
    student: str
    name: str = ""
    full_name: str = ""
    host: str = ""
    ok: bool | None = None
    nodes: int | None = None


class KitFinding(Record):
    """A file of a kit that is not as it should be."""

    path: str
    message: str


class KitLine(Record):
    """A kit."""

    event: Literal["kit"]
    digest: str
    folder: str = ""
    files: int | None = None
    size: int | None = Field(None, description="Bytes.")
    written: int | None = Field(None, description="Files that are new.")
    matches: bool | None = Field(None, description="Whether it is the kit that was named.")
    findings: tuple[KitFinding, ...] = ()
    url: str = ""
    nodes: tuple[str, ...] = ()


LINES = (PlacedLine, HostLine, PlanLine, MovedLine, StudentLine, KitLine)
