"""The types of single values in lab.yaml, with labctl's messages for wrong input."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path, PureWindowsPath
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
    """Annotation of a string that must match a pattern, with labctl's own message."""

    shape: patterns.Pattern
    schema: str = ""
    """A pattern for editors, if lab.yaml may have more forms than the model keeps."""

    def __get_pydantic_core_schema__(
        self, source: type[Any], handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        return core_schema.no_info_after_validator_function(self._check, handler(source))

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        found = handler(schema)
        # Editors use ECMAScript's expressions; labctl's patterns mean the same there. If there are
        # two patterns, the first one says more.
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
    """Annotation of a whole number with bounds, both included, and the reason for them."""

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
    """Return a fingerprint without the blanks that gpg prints, in capitals."""
    return value.replace(" ", "").upper() if isinstance(value, str) else value


def _slashless(text: str) -> str:
    """Return a URL without a final slash, so that a path can be added to it."""
    return text.rstrip("/")


def _lowered(value: object) -> object:
    return value.lower() if isinstance(value, str) else value


def _anchored(text: str, info: ValidationInfo) -> str:
    """Return a path of this computer as an absolute one: files elsewhere will name it."""
    folder = (info.context or {}).get("folder")
    if folder is None:
        return text
    return str((folder / os.path.expanduser(text)).as_posix())  # noqa: PTH111


def _file_url(value: object, info: ValidationInfo) -> object:
    """Return a path of this computer as a URL; a URL stays as it is."""
    if not isinstance(value, str) or not value or re.match(r"[A-Za-z][A-Za-z0-9+.-]+:", value):
        return value
    if re.match(r"[A-Za-z]:[\\/]", value):
        return PureWindowsPath(value).as_uri()
    folder = (info.context or {}).get("folder")
    path = Path(os.path.expanduser(value))  # noqa: PTH111
    if folder is not None:
        path = folder / path
    return path.as_uri() if path.is_absolute() else value


def named(model: type[BaseModel], key: str) -> BeforeValidator:
    """Accept a mapping by its most important value alone: ``box: centos/7``."""
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
BoxUrl = Annotated[str, BeforeValidator(_file_url), Is(patterns.URL, schema=".+")]
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
