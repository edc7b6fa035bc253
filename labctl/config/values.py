"""The types of single values in lab.yaml: what each accepts, and what it says about other input."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    Strict,
    ValidationInfo,
)
from pydantic_core import CoreSchema, core_schema

from labctl.config import patterns
from labctl.config.faults import Refused
from labctl.config.playbook_modules import playbook_name
from labctl.messages import msg


@dataclass(frozen=True, slots=True)
class Is:
    """Annotation that gives a string one of the shapes, with our sentence for what has it not."""

    shape: patterns.Pattern
    schema: str = ""
    """A pattern for editors, where one may write it in more ways than are kept."""

    def __get_pydantic_core_schema__(
        self, source: type[Any], handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        return core_schema.no_info_after_validator_function(self._check, handler(source))

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        found = handler(schema)
        # Editors use ECMAScript's expressions; ours say nothing that differs there. Where there are
        # two shapes, the first says more.
        found.setdefault("pattern", f"^({self.schema or self.shape.pattern})$")
        if self.shape.schema_format:
            found["format"] = self.shape.schema_format
        return found

    def _check(self, text: str) -> str:
        message = self.shape.problem(text)
        if message is not None:
            raise Refused(message, self.shape.hint)
        return text


@dataclass(frozen=True, slots=True)
class Between:
    """Annotation that bounds a whole number, both ends included, and gives the reason."""

    low: int
    high: int
    reason: str = ""

    def __get_pydantic_core_schema__(
        self, source: type[Any], handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        return core_schema.no_info_after_validator_function(self._check, handler(source))

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        return {**handler(schema), "minimum": self.low, "maximum": self.high}

    def _check(self, number: int) -> int:
        if not self.low <= number <= self.high:
            raise Refused(
                msg(
                    "must be from {low} to {high}, is {value}",
                    low=self.low,
                    high=self.high,
                    value=number,
                ),
                self.reason,
            )
        return number


def _joined(value: object) -> object:
    """Take the blanks out of a fingerprint, in which gpg prints it, and write it in capitals."""
    return value.replace(" ", "").upper() if isinstance(value, str) else value


def _slashless(text: str) -> str:
    """Take a final slash away, behind which another path would be another one."""
    return text.rstrip("/")


def _lowered(value: object) -> object:
    return value.lower() if isinstance(value, str) else value


def _anchored(text: str, info: ValidationInfo) -> str:
    """Return a path of this computer as an absolute one: files elsewhere will name it."""
    folder = (info.context or {}).get("folder")
    if folder is None:
        return text
    return str((folder / os.path.expanduser(text)).as_posix())  # noqa: PTH111


def named(model: type[BaseModel], key: str) -> BeforeValidator:
    """Let a mapping be given by the one value that matters: ``box: centos/7``."""
    return BeforeValidator(
        lambda value: {key: value} if isinstance(value, str | int | float) else value,
        json_schema_input_type=str | model,
    )


def count_or_list(value: object) -> str:
    return "(list)" if isinstance(value, list | tuple) else "(count)"


def auto_or_list(value: object) -> str:
    return "(list)" if isinstance(value, list | tuple) else "(auto)"


Label = Annotated[str, Is(patterns.LABEL)]
IPv4 = Annotated[str, Is(patterns.IPV4)]
Version = Annotated[str, Is(patterns.VERSION)]
Url = Annotated[str, Is(patterns.URL)]
Mirror = Annotated[str, Is(patterns.MIRROR), AfterValidator(_slashless)]
Host = Annotated[str, Is(patterns.HOST)]
Text = Annotated[str, Is(patterns.TEXT)]
HostPath = Annotated[str, Is(patterns.TEXT), AfterValidator(_anchored)]
Image = Annotated[str, Is(patterns.IMAGE)]
PlaybookName = Annotated[str, Is(patterns.PLAYBOOK), AfterValidator(playbook_name)]
Sha256 = Annotated[str, BeforeValidator(_lowered), Is(patterns.SHA256)]
Fingerprint = Annotated[
    str, BeforeValidator(_joined), Is(patterns.FINGERPRINT, schema="( *[0-9A-Fa-f]){40} *")
]
MiB = Annotated[int, Between(512, 1024 * 1024, msg("in MiB; CentOS 7 with an engine needs 512"))]
Cpus = Annotated[int, Between(1, 64)]
Port = Annotated[int, Between(1, 65535)]
Seconds = Annotated[int, Between(1, 86400, msg("in seconds, at most a day"))]
# YAML has lists only, and frozen models want tuples; the items stay strict.
Loose = Strict(False)


class Part(BaseModel):
    """Base of every mapping in lab.yaml: frozen, strict about types and about keys."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)
