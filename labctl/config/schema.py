"""What lab.yaml may contain, derived from its model: the JSON Schema, and the keys of a mapping."""

from __future__ import annotations

from typing import Any, get_args

from pydantic import BaseModel

from labctl.config import daemon_json, faults
from labctl.config.model import LabSpec


def keys_at(path: faults.KeyPath) -> tuple[str, ...]:
    """Return the keys that lab.yaml may have in the mapping at `path`; empty if any or none may."""
    if path[:2] == ("docker", "daemon"):
        return tuple(daemon_json.KEYS) if len(path) == 2 else ()
    model: type[BaseModel] | None = LabSpec
    for part in path:
        if isinstance(part, str):
            known = model.model_fields.get(part) if model else None
            model = _model_in(known.annotation) if known else None
    return tuple(model.model_fields) if model else ()


def json_schema() -> dict[str, Any]:
    """Return the JSON Schema of lab.yaml, which editors use to complete and check it."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **LabSpec.model_json_schema(),
        "title": "lab.yaml",
    }


def _model_in(annotation: object) -> type[BaseModel] | None:
    """Return the model somewhere inside a type annotation, None if there is none."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((m for part in get_args(annotation) if (m := _model_in(part))), None)
