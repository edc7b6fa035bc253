"""What ``--json`` prints, as types: the results of commands, and the JSON Schema of all lines.

The code that prints a result builds it from values. These types describe it for programs that read
it; tests check everything that labctl prints against the schema.
"""

from __future__ import annotations

import inspect
from typing import Any, Literal, get_args

from pydantic import BaseModel, Field, TypeAdapter
from pydantic.json_schema import models_json_schema

from labctl.checks.report import Check
from labctl.cli.output import class_records
from labctl.cli.output.class_records import Record
from labctl.events import Event
from labctl.lab.actions.status import LabStatus, NodeStatus, RegistryStatus
from labctl.machines.finding import Finding


class Place(Record):
    """A problem with lab.yaml or a flag."""

    where: str = Field(description="The key, such as nodes[1].address, or the flag.")
    line: int | None
    message: str
    hint: str


class ErrorLine(Record):
    """An error of the whole command, or in a result the error of a node."""

    event: Literal["error"]
    kind: str = Field(description="The name of a class in labctl/errors.py.")
    message: str
    exit_code: int
    node: str = ""
    hint: str = Field("", description="What to do about it.")
    details: str = Field("", description="Output of a program that explains it.")
    log: str = Field("", description="The file with the complete output.")
    resource: str = Field("", description="The resource that was not changed.")
    source: str = Field("", description="The file with the problems.")
    problems: tuple[Place, ...] = ()


class Change(Record):
    """A change that was made on a node, or that `--check` found to be needed."""

    playbook: str
    resource: str
    summary: str
    diff: str


class ResultLine(Record):
    """The result of a node, last of all its lines."""

    event: Literal["result"]
    node: str
    ok: bool
    address: str | None = None
    exchanges: int | None = Field(None, description="Round trips of provisioning.")
    complete: bool | None = Field(
        None, description="False if `--check` cannot see all changes before the first are made."
    )
    changes: tuple[Change, ...] = ()
    versions: dict[str, str] = Field(default_factory=dict)
    checks: tuple[Check, ...] = ()
    error: ErrorLine | None = None


class RehearsalLine(Record):
    """The result of a rehearsal."""

    event: Literal["rehearsal"]
    ok: bool
    partial: bool
    sections: list[str]
    seconds: float
    page: str = Field(description="The HTML report.")
    passed: int
    failed: int
    error: int
    skipped: int


class SectionLine(Record):
    """A section of the course, for `rehearse --list`."""

    event: Literal["section"]
    section: str
    files: list[str]
    about: str
    exercises: int
    seconds: float | None = Field(description="How long it usually takes.")


class ExecutedLine(Record):
    """The result of `exec` on a node: the command's, or an error."""

    event: Literal["executed"]
    node: str
    exit_code: int | None = None
    stdout: str = ""
    stderr: str = ""
    seconds: float | None = None
    error: ErrorLine | None = None


class CopiedLine(Record):
    """The result of `scp` for a node."""

    event: Literal["copied"]
    node: str
    ok: bool
    files: int | None = None
    bytes: int | None = None
    seconds: float | None = None
    error: ErrorLine | None = None


class SkippedLine(Record):
    """A file that `scp` left out."""

    event: Literal["skipped"]
    node: str = Field(description="Where the file is; empty: on this computer.")
    path: str
    reason: str


class CheckpointsLine(Record):
    """The checkpoints of a node."""

    event: Literal["checkpoints"]
    node: str
    checkpoints: list[str]
    saved: dict[str, float | None] = Field(
        description="Seconds since 1970; null: labctl did not save it."
    )
    error: ErrorLine | None = None


class LogLine(Record):
    """A line of `logs`."""

    event: Literal["log"]
    log: str
    line: str


class RunLine(Record):
    """A recorded run, for `logs --list`."""

    event: Literal["run"]
    when: str
    command: str
    log: str


class SshConfigLine(Record):
    """How ssh reaches a node; with `--path` only the file."""

    event: Literal["ssh-config"]
    path: str = ""
    node: str = ""
    host: str = ""
    port: int = 22
    user: str = ""
    keys: tuple[str, ...] = ()
    jump: str = ""
    proxy: str = ""
    known_hosts: str = ""
    config: str = ""


class VagrantfileLine(Record):
    """The result of `render`."""

    event: Literal["vagrantfile"]
    provider: str
    path: str = ""
    diff: str = ""
    vagrantfile: str = ""


class InitLine(Record):
    """The result of `init`."""

    event: Literal["init"]
    path: str


class TrustLine(Record):
    """The result of `trust`."""

    event: Literal["trust"]
    state: str


class VersionLine(Record):
    """The result of `version`."""

    event: Literal["version"]
    version: str


class BakedLine(Record):
    """The box that `bake` made."""

    event: Literal["baked"]
    name: str
    version: str
    provider: str
    digest: str = Field(description="The SHA-256 of its content.")
    bytes: int


class ExportedLine(Record):
    """The file that `checkpoint export` wrote."""

    event: Literal["exported"]
    checkpoint: str
    nodes: list[str]
    path: str
    bytes: int
    sha256: str


class BoxName(Record):
    """A box that Vagrant has."""

    name: str
    version: str


class ImportedLine(Record):
    """The boxes that `checkpoint import` made."""

    event: Literal["imported"]
    checkpoint: str
    boxes: dict[str, BoxName] = Field(description="By node.")


_RECORDS: tuple[type[BaseModel], ...] = (
    *(ErrorLine, ResultLine, RehearsalLine, SectionLine, ExecutedLine, CopiedLine, SkippedLine),
    *(CheckpointsLine, LogLine, RunLine, SshConfigLine, VagrantfileLine, InitLine, TrustLine),
    *(VersionLine, BakedLine, ExportedLine, ImportedLine),
    *class_records.LINES,
)
_VALUES: tuple[tuple[str, Any, str], ...] = (
    ("finding", Finding, "A finding of `doctor`."),
    ("status", NodeStatus, "The status of a node."),
    ("registry", RegistryStatus, "The lab's private registry, in `status`."),
    ("lab", LabStatus, "A lab of this computer, for `list` and `status --all`."),
)
"""Results that labctl has as values anyway: ``event``, type, meaning."""


def json_schema() -> dict[str, Any]:
    """Return the JSON Schema of a line that labctl prints with ``--json``.

    Its `$defs` have a definition for each kind of line, and `oneOf` names them all.
    """
    reference = "#/$defs/{model}"
    _, found = models_json_schema(
        [(kind, "serialization") for kind in _RECORDS], ref_template=reference
    )
    definitions: dict[str, Any] = found["$defs"]
    lines = [kind.__name__ for kind in _RECORDS]
    events = ((kind.__name__, kind, _first(kind)) for kind in get_args(Event))
    for name, kind, about in (*events, *_VALUES):
        one = TypeAdapter(kind).json_schema(mode="serialization", ref_template=reference)
        definitions |= one.pop("$defs", {})
        definitions[name] = one | {
            "title": name,
            "description": about,
            "properties": {"event": {"const": name}, **one["properties"]},
            "required": ["event", *one["required"]],
            "additionalProperties": False,
        }
        if kind is NodeStatus:
            definitions[name]["properties"]["student"] = {"type": "string"}
        lines.append(name)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "A line that labctl prints with --json",
        "oneOf": [{"$ref": reference.format(model=name)} for name in lines],
        "$defs": definitions,
    }


def results() -> list[tuple[str, str, list[str]]]:
    """Return each line that is not an event: ``event``, its meaning, its fields."""
    definitions = json_schema()["$defs"]
    names = [*(kind.__name__ for kind in _RECORDS), *(name for name, _, _ in _VALUES)]
    return [
        (
            one["properties"]["event"]["const"],
            one["description"],
            [field for field in one["properties"] if field != "event"],
        )
        for one in map(definitions.__getitem__, names)
    ]


def _first(kind: type) -> str:
    """Return the first paragraph of a docstring, in one line."""
    return " ".join((inspect.getdoc(kind) or "").split("\n\n")[0].split())
